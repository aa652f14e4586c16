#include "tensor/ops/convert.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tensor/element.hpp"
#include "tensor/ops/half.hpp"
#include "tensor/ops/row.hpp"

namespace sterna::ops {
namespace {

/// Bool's elements: a type of its own, so that they are no numbers to overload resolution.
enum class Flag : std::uint8_t {};

template <class From, class To>
To convert_one(From value) {
  if constexpr (std::is_same_v<From, Flag>) {
    return convert_one<std::uint8_t, To>(static_cast<std::uint8_t>(value));
  } else if constexpr (std::is_same_v<To, Flag>) {
    return static_cast<Flag>(value != From{0});
  } else {
    return convert_element<To>(value);
  }
}

template <class From, class To>
void convert(const void* in, void* out, std::size_t n) {
  const From* const a = static_cast<const From*>(in);
  To* const o = static_cast<To*>(out);
  for (std::size_t i = 0; i < n; ++i) o[i] = convert_one<From, To>(a[i]);
}

// A half float goes through F32, a few at a time.
constexpr std::size_t kChunk = 256;
template <Convert kWiden, class To>
void from_half(const void* in, void* out, std::size_t n) {
  const auto* const a = static_cast<const std::uint16_t*>(in);
  To* const o = static_cast<To*>(out);
  float wide[kChunk];
  for (std::size_t i = 0; i < n; i += kChunk) {
    const std::size_t count = n - i < kChunk ? n - i : kChunk;
    kWiden(a + i, wide, count);
    convert<float, To>(wide, o + i, count);
  }
}
template <class From, Convert kNarrow>
void to_half(const void* in, void* out, std::size_t n) {
  const From* const a = static_cast<const From*>(in);
  auto* const o = static_cast<std::uint16_t*>(out);
  float wide[kChunk];
  for (std::size_t i = 0; i < n; i += kChunk) {
    const std::size_t count = n - i < kChunk ? n - i : kChunk;
    for (std::size_t j = 0; j < count; ++j) wide[j] = to_half_source(a[i + j]);
    kNarrow(wide, o + i, count);
  }
}
template <Convert kWiden, Convert kNarrow>
void half_to_half(const void* in, void* out, std::size_t n) {
  const auto* const a = static_cast<const std::uint16_t*>(in);
  auto* const o = static_cast<std::uint16_t*>(out);
  float wide[kChunk];
  for (std::size_t i = 0; i < n; i += kChunk) {
    const std::size_t count = n - i < kChunk ? n - i : kChunk;
    kWiden(a + i, wide, count);
    kNarrow(wide, o + i, count);
  }
}

using Row = std::array<Convert, kPlainTypes>;

/// From one type to every other, in the order of DType.
template <class From>
constexpr Row row() {
  // Bool's are small numbers on their way to a half float.
  using Number = std::conditional_t<std::is_same_v<From, Flag>, std::uint8_t, From>;
  constexpr bool kFloat = std::is_same_v<From, float>;
  return {&convert<From, double>,
          &convert<From, float>,
          kFloat ? &f32_to_f16_loop : &to_half<Number, &f32_to_f16_loop>,
          kFloat ? &f32_to_bf16_loop : &to_half<Number, &f32_to_bf16_loop>,
          &convert<From, std::int8_t>,
          &convert<From, std::int16_t>,
          &convert<From, std::int32_t>,
          &convert<From, std::int64_t>,
          &convert<From, std::uint8_t>,
          &convert<From, std::uint16_t>,
          &convert<From, std::uint32_t>,
          &convert<From, std::uint64_t>,
          &convert<From, Flag>};
}
template <Convert kWiden>
constexpr Row half_row() {
  return {&from_half<kWiden, double>,
          kWiden,
          &half_to_half<kWiden, &f32_to_f16_loop>,
          &half_to_half<kWiden, &f32_to_bf16_loop>,
          &from_half<kWiden, std::int8_t>,
          &from_half<kWiden, std::int16_t>,
          &from_half<kWiden, std::int32_t>,
          &from_half<kWiden, std::int64_t>,
          &from_half<kWiden, std::uint8_t>,
          &from_half<kWiden, std::uint16_t>,
          &from_half<kWiden, std::uint32_t>,
          &from_half<kWiden, std::uint64_t>,
          &from_half<kWiden, Flag>};
}

constexpr std::array<Row, kPlainTypes> kTable{
    row<double>(),       row<float>(),         half_row<&f16_to_f32_loop>(), half_row<&bf16_to_f32_loop>(),
    row<std::int8_t>(),  row<std::int16_t>(),  row<std::int32_t>(),          row<std::int64_t>(),
    row<std::uint8_t>(), row<std::uint16_t>(), row<std::uint32_t>(),         row<std::uint64_t>(),
    row<Flag>(),
};

template <class T>
void clamp_elements(const void* in, void* out, std::size_t n, const void* low, const void* high) {
  T lowest, highest;
  std::memcpy(&lowest, low, sizeof(T));
  std::memcpy(&highest, high, sizeof(T));
  const T* const a = static_cast<const T*>(in);
  T* const o = static_cast<T*>(out);
  for (std::size_t i = 0; i < n; ++i) {
    const T value = a[i] < lowest ? lowest : a[i];
    o[i] = value > highest ? highest : value;
  }
}

template <class T>
void gather_elements(const std::byte* in, std::ptrdiff_t stride, void* out, std::size_t n) {
  T* const o = static_cast<T*>(out);
  for (std::size_t i = 0; i < n; ++i)
    std::memcpy(o + i, in + static_cast<std::ptrdiff_t>(i) * stride, sizeof(T));
}
template <class T>
void scatter_elements(const void* in, std::byte* out, std::ptrdiff_t stride, std::size_t n) {
  const T* const a = static_cast<const T*>(in);
  for (std::size_t i = 0; i < n; ++i)
    std::memcpy(out + static_cast<std::ptrdiff_t>(i) * stride, a + i, sizeof(T));
}
template <class T>
void fill_elements(const void* element, void* out, std::size_t n) {
  T value;
  std::memcpy(&value, element, sizeof(T));
  T* const o = static_cast<T*>(out);
  for (std::size_t i = 0; i < n; ++i) o[i] = value;
}

}  // namespace

Convert converter(DType from, DType to) {
  return kTable[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
}

Clamp clamper(DType integer) {
  constexpr Clamp kClamps[] = {&clamp_elements<std::int8_t>,   &clamp_elements<std::int16_t>,
                               &clamp_elements<std::int32_t>,  &clamp_elements<std::int64_t>,
                               &clamp_elements<std::uint8_t>,  &clamp_elements<std::uint16_t>,
                               &clamp_elements<std::uint32_t>, &clamp_elements<std::uint64_t>};
  return kClamps[static_cast<std::size_t>(integer) - static_cast<std::size_t>(DType::I8)];
}

void gather(const std::byte* in, std::ptrdiff_t stride, std::size_t size, void* out, std::size_t n) {
  switch (size) {
    case 1:
      return gather_elements<std::uint8_t>(in, stride, out, n);
    case 2:
      return gather_elements<std::uint16_t>(in, stride, out, n);
    case 4:
      return gather_elements<std::uint32_t>(in, stride, out, n);
    default:
      return gather_elements<std::uint64_t>(in, stride, out, n);
  }
}

void scatter(const void* in, std::byte* out, std::ptrdiff_t stride, std::size_t size, std::size_t n) {
  switch (size) {
    case 1:
      return scatter_elements<std::uint8_t>(in, out, stride, n);
    case 2:
      return scatter_elements<std::uint16_t>(in, out, stride, n);
    case 4:
      return scatter_elements<std::uint32_t>(in, out, stride, n);
    default:
      return scatter_elements<std::uint64_t>(in, out, stride, n);
  }
}

void fill(const void* element, std::size_t size, void* out, std::size_t n) {
  switch (size) {
    case 1:
      return fill_elements<std::uint8_t>(element, out, n);
    case 2:
      return fill_elements<std::uint16_t>(element, out, n);
    case 4:
      return fill_elements<std::uint32_t>(element, out, n);
    default:
      return fill_elements<std::uint64_t>(element, out, n);
  }
}

}  // namespace sterna::ops
