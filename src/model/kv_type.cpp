#include "model/kv_type.hpp"

#include <algorithm>

namespace sterna {
namespace {

constexpr KvTypeRow kRows[] = {
    {KvType::F32, "f32", 4, 0}, {KvType::F16, "f16", 2, 0}, {KvType::I8, "int8", 1, 4}};

}  // namespace

std::span<const KvTypeRow> kv_types() noexcept {
  return kRows;
}

const KvTypeRow& row_of(KvType type) noexcept {
  return *std::ranges::find(kRows, type, &KvTypeRow::type);
}

std::string_view to_string(KvType type) noexcept {
  return row_of(type).name;
}

std::optional<KvType> kv_type_from_name(std::string_view name) noexcept {
  const auto* row = std::ranges::find(kRows, name, &KvTypeRow::name);
  return row == std::end(kRows) ? std::nullopt : std::optional(row->type);
}

std::uint64_t kv_bytes_per_token(const ModelConfig& config, KvType type) noexcept {
  const KvTypeRow& row = row_of(type);
  return std::uint64_t{2} * config.layers * config.kv_heads *
         (std::uint64_t{config.head_dim} * row.element_bytes + row.scale_bytes);
}

}  // namespace sterna
