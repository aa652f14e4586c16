// The tensor types a GGUF file can name, by number: what each is called, and what it is here.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sterna/dtype.hpp"
#include "sterna/error.hpp"

namespace sterna::gguf {

/// A row of the tensor type table. The numbers are those of ggml, with those of bitnet.cpp and ik_llama.cpp
/// where ggml has none or has given its own up.
struct TensorType {
  std::uint32_t id;
  std::string_view name;
  std::optional<DType> dtype;  ///< nothing: not supported
  std::string_view advice;     ///< why not and what to do, when not supported
};

/// All rows, by number.
std::span<const TensorType> tensor_types() noexcept;
/// Null when no program is known to use the number.
const TensorType* find_tensor_type(std::uint32_t id) noexcept;

/// The Unsupported error for a type number without a dtype (found, expected).
Error unsupported_type(std::uint32_t id);

}  // namespace sterna::gguf
