// The types of the key and value cache.
#pragma once

#include <cstdint>
#include <span>

#include "sterna/model.hpp"

namespace sterna {

struct KvTypeRow {
  KvType type;
  std::string_view name;
  std::uint32_t element_bytes;
  std::uint32_t scale_bytes;  ///< beside the elements of each key and value of a head
};
std::span<const KvTypeRow> kv_types() noexcept;  ///< the largest first
const KvTypeRow& row_of(KvType type) noexcept;

/// Of a token's keys and values in all layers.
std::uint64_t kv_bytes_per_token(const ModelConfig& config, KvType type) noexcept;

}  // namespace sterna
