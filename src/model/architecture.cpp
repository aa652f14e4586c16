#include "model/architecture.hpp"

#include <algorithm>

#include "model/arch/rows.hpp"

namespace sterna {
namespace {

constexpr const Architecture* kRows[] = {&arch::kBitnetB158, &arch::kBitnet, &arch::kLlama};

std::string numbered(std::string_view pattern, std::uint32_t layer) {
  const auto at = pattern.find("{}");
  if (at == std::string_view::npos) return std::string(pattern);
  return std::string(pattern.substr(0, at)) + std::to_string(layer) + std::string(pattern.substr(at + 2));
}

const WeightName* find(const Architecture& architecture, WeightId id) {
  const auto at = std::find_if(architecture.names.begin(), architecture.names.end(),
                               [&](const WeightName& name) { return name.id == id; });
  return at == architecture.names.end() ? nullptr : &*at;
}

}  // namespace

std::span<const Architecture* const> architectures() noexcept {
  return kRows;
}

const Architecture* architecture_of_gguf(std::string_view name) noexcept {
  for (const Architecture* row : kRows) {
    if (row->name == name || std::ranges::count(row->gguf_aliases, name) > 0) return row;
  }
  return nullptr;
}

const Architecture* architecture_of_hf(std::string_view hf_class) noexcept {
  for (const Architecture* row : kRows) {
    if (std::ranges::count(row->hf_classes, hf_class) > 0) return row;
  }
  return nullptr;
}

std::string known_architectures() {
  std::string list;
  for (const Architecture* row : kRows) {
    if (!list.empty()) list += ", ";
    list += row->name;
  }
  return list;
}

std::string gguf_name(const Architecture& architecture, WeightId id, std::uint32_t layer) {
  const WeightName* name = find(architecture, id);
  return name ? numbered(name->gguf, layer) : std::string{};
}

std::string hf_name(const Architecture& architecture, WeightId id, std::uint32_t layer) {
  const WeightName* name = find(architecture, id);
  return name ? numbered(name->hf, layer) : std::string{};
}

}  // namespace sterna
