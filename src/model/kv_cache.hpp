// Keys and values of the tokens so far.
#pragma once

#include <cstdint>

#include "base/checked.hpp"
#include "kernels/kv_layout.hpp"
#include "memory/aligned_buffer.hpp"
#include "model/kv_type.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// [block of kKvBlock positions][layer][kv head]: what a short text touches is contiguous, so that the rest
/// of a long context costs no memory, though it asks for huge pages. One block of a head is a stream of tens
/// of kilobytes.
class KvCache {
 public:
  KvCache(const ModelConfig& config, std::uint32_t capacity, KvType type)
      : layout_(kv_block_layout(config.head_dim, row_of(type).element_bytes, row_of(type).scale_bytes > 0)),
        kv_heads_(config.kv_heads),
        block_stride_(layout_.bytes * config.kv_heads * config.layers),
        blocks_(block_stride_ * ceil_div<std::size_t>(capacity, kKvBlock), MemoryTag::KvCache) {}

  const KvBlockLayout& layout() const noexcept { return layout_; }
  /// The block of a head that holds a position.
  std::byte* block(std::size_t layer, std::size_t head, std::size_t position) const noexcept {
    return blocks_.data() + position / kKvBlock * block_stride_ + (layer * kv_heads_ + head) * layout_.bytes;
  }
  /// Bytes from a head's block to its next.
  std::size_t block_stride() const noexcept { return block_stride_; }
  std::uint64_t bytes() const noexcept { return blocks_.size(); }
  /// Gives back the pages of the blocks that lie wholly beyond the first `positions`. Returns their bytes.
  std::uint64_t release_beyond(std::size_t positions) noexcept {
    return blocks_.release(ceil_div<std::size_t>(positions, kKvBlock) * block_stride_, blocks_.size());
  }

 private:
  KvBlockLayout layout_;
  std::size_t kv_heads_;
  std::size_t block_stride_;
  AlignedBuffer blocks_;
};

}  // namespace sterna
