// From a dtype known at run time to the C++ type of its elements.
#pragma once

#include <string_view>
#include <type_traits>

#include "sterna/dtype.hpp"
#include "sterna/half.hpp"

namespace sterna {

/// Throws Unsupported: `operation` does not take `dtype`.
[[noreturn]] void refuse_dtype(std::string_view operation, DType dtype);

/// f(std::type_identity<T>{}) for the T of a plain dtype. Every call instantiates f thirteen times: keep what
/// it does small, and use visit_width where only the size of an element matters.
template <class F>
decltype(auto) visit_dtype(DType dtype, std::string_view operation, F&& f) {
  switch (dtype) {
    case DType::F64:
      return f(std::type_identity<double>{});
    case DType::F32:
      return f(std::type_identity<float>{});
    case DType::F16:
      return f(std::type_identity<Half>{});
    case DType::BF16:
      return f(std::type_identity<BFloat16>{});
    case DType::I8:
      return f(std::type_identity<std::int8_t>{});
    case DType::I16:
      return f(std::type_identity<std::int16_t>{});
    case DType::I32:
      return f(std::type_identity<std::int32_t>{});
    case DType::I64:
      return f(std::type_identity<std::int64_t>{});
    case DType::U8:
      return f(std::type_identity<std::uint8_t>{});
    case DType::U16:
      return f(std::type_identity<std::uint16_t>{});
    case DType::U32:
      return f(std::type_identity<std::uint32_t>{});
    case DType::U64:
      return f(std::type_identity<std::uint64_t>{});
    case DType::Bool:
      return f(std::type_identity<bool>{});
    default:
      refuse_dtype(operation, dtype);
  }
}

/// f(std::type_identity<U>{}) for the unsigned U as wide as an element of a plain dtype: for what moves
/// elements and does not look at them.
template <class F>
decltype(auto) visit_width(DType dtype, std::string_view operation, F&& f) {
  if (!info(dtype).is_plain()) refuse_dtype(operation, dtype);
  switch (info(dtype).block_bytes) {
    case 1:
      return f(std::type_identity<std::uint8_t>{});
    case 2:
      return f(std::type_identity<std::uint16_t>{});
    case 4:
      return f(std::type_identity<std::uint32_t>{});
    default:
      return f(std::type_identity<std::uint64_t>{});
  }
}

/// Whether T is a floating-point element: double, float, Half, BFloat16.
template <class T>
inline constexpr bool kIsFloat =
    std::is_floating_point_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

/// The type to calculate with: float for the half types, T itself for all others.
template <class T>
using Arithmetic = std::conditional_t<std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>, float, T>;

}  // namespace sterna
