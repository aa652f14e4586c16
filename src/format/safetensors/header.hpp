// What reader and writer agree on.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checked.hpp"
#include "sterna/dtype.hpp"

namespace sterna::safetensors {

/// The format's own limit, in the reference implementation too.
inline constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
inline constexpr std::size_t kLengthBytes = 8;
inline constexpr std::string_view kMetadataKey = "__metadata__";

inline constexpr std::array<std::pair<std::string_view, DType>, 13> kDTypes{{
    {"F64", DType::F64},
    {"F32", DType::F32},
    {"F16", DType::F16},
    {"BF16", DType::BF16},
    {"I8", DType::I8},
    {"I16", DType::I16},
    {"I32", DType::I32},
    {"I64", DType::I64},
    {"U8", DType::U8},
    {"U16", DType::U16},
    {"U32", DType::U32},
    {"U64", DType::U64},
    {"BOOL", DType::Bool},
}};

/// Shape × dtype in bytes; nothing when it overflows.
inline std::optional<std::uint64_t> tensor_bytes(DType dtype,
                                                 const std::vector<std::uint64_t>& shape) noexcept {
  std::optional<std::uint64_t> elements = 1;
  for (const std::uint64_t n : shape) {
    if (elements) elements = checked_mul(*elements, n);
  }
  return elements ? storage_bytes(dtype, 1, *elements) : std::nullopt;
}

}  // namespace sterna::safetensors
