// Keys and values of the tokens so far.
#pragma once

#include <cstdint>

#include "memory/aligned_buffer.hpp"
#include "sterna/model.hpp"

namespace sterna {

/// [layer][kv head][position][head_dim], so that an attention head reads its positions in one stream.
class KvCache {
 public:
  KvCache(const ModelConfig& config, std::uint32_t capacity, KvType type)
      : type_(type),
        row_bytes_(config.head_dim * (type == KvType::F16 ? std::size_t{2} : std::size_t{4})),
        head_bytes_(row_bytes_ * capacity),
        layer_bytes_(head_bytes_ * config.kv_heads),
        keys_(layer_bytes_ * config.layers),
        values_(layer_bytes_ * config.layers) {}

  KvType type() const noexcept { return type_; }
  std::byte* key(std::size_t layer, std::size_t head, std::size_t position) const noexcept {
    return keys_.data() + offset(layer, head, position);
  }
  std::byte* value(std::size_t layer, std::size_t head, std::size_t position) const noexcept {
    return values_.data() + offset(layer, head, position);
  }
  std::uint64_t bytes() const noexcept { return keys_.size() + values_.size(); }

 private:
  std::size_t offset(std::size_t layer, std::size_t head, std::size_t position) const noexcept {
    return layer * layer_bytes_ + head * head_bytes_ + position * row_bytes_;
  }

  KvType type_;
  std::size_t row_bytes_;
  std::size_t head_bytes_;
  std::size_t layer_bytes_;
  AlignedBuffer keys_;
  AlignedBuffer values_;
};

}  // namespace sterna
