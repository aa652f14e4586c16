// Keys and values of the tokens so far.
#pragma once

#include <cstdint>

#include "base/checked.hpp"
#include "kernels/kv_layout.hpp"
#include "memory/aligned_buffer.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// [layer][kv head][block of kKvBlock positions], so that an attention head reads its positions in one
/// stream.
class KvCache {
 public:
  KvCache(const ModelConfig& config, std::uint32_t capacity, KvType type)
      : layout_(kv_block_layout(config.head_dim, element_bytes(type), type == KvType::I8)),
        kv_heads_(config.kv_heads),
        head_bytes_(layout_.bytes * ceil_div<std::size_t>(capacity, kKvBlock)),
        blocks_(head_bytes_ * config.kv_heads * config.layers) {}

  const KvBlockLayout& layout() const noexcept { return layout_; }
  /// The blocks of a head.
  std::byte* head(std::size_t layer, std::size_t head) const noexcept {
    return blocks_.data() + (layer * kv_heads_ + head) * head_bytes_;
  }
  std::uint64_t bytes() const noexcept { return blocks_.size(); }

 private:
  static std::size_t element_bytes(KvType type) noexcept {
    return type == KvType::F32 ? 4 : type == KvType::F16 ? 2 : 1;
  }

  KvBlockLayout layout_;
  std::size_t kv_heads_;
  std::size_t head_bytes_;
  AlignedBuffer blocks_;
};

}  // namespace sterna
