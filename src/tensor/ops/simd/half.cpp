// The loops of half.hpp, compiled for every instruction set.
#include "tensor/ops/simd/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/simd/half.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <bit>
#include <limits>

#include "base/half.hpp"
#include "tensor/ops/half.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::ops::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// A NaN's bits are the same wherever it lies in a row, and on every instruction set: to F32 its payload is
// kept and it becomes quiet, to F16 only its sign is kept.
constexpr std::uint32_t kQuiet = 0x400000;
[[maybe_unused]] constexpr float kNan =
    std::numeric_limits<float>::quiet_NaN();  // not on every instruction set

float widened(std::uint16_t half) {
  const float value = sterna::f16_to_f32(half);
  return value == value ? value : std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | kQuiet);
}

void f16_to_f32(const void* in, void* out, std::size_t n) {
  const auto* const a = static_cast<const std::uint16_t*>(in);
  float* const o = static_cast<float*>(out);
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<float> d;
  const hn::Rebind<hwy::float16_t, decltype(d)> half;
  const std::size_t lanes = hn::Lanes(d);
  for (; i + lanes <= n; i += lanes) {
    const auto wide = hn::PromoteTo(d, hn::LoadU(half, reinterpret_cast<const hwy::float16_t*>(a + i)));
    const auto quiet = hn::Or(wide, hn::BitCast(d, hn::Set(hn::RebindToUnsigned<decltype(d)>(), kQuiet)));
    hn::StoreU(hn::IfThenElse(hn::IsNaN(wide), quiet, wide), d, o + i);
  }
#endif
  for (; i < n; ++i) o[i] = widened(a[i]);
}

void f32_to_f16(const void* in, void* out, std::size_t n) {
  const float* const a = static_cast<const float*>(in);
  auto* const o = static_cast<std::uint16_t*>(out);
  std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<float> d;
  const hn::Rebind<hwy::float16_t, decltype(d)> half;
  const std::size_t lanes = hn::Lanes(d);
  for (; i + lanes <= n; i += lanes) {
    const auto wide = hn::LoadU(d, a + i);
    const auto value = hn::IfThenElse(hn::IsNaN(wide), hn::CopySign(hn::Set(d, kNan), wide), wide);
    hn::StoreU(hn::DemoteTo(half, value), half, reinterpret_cast<hwy::float16_t*>(o + i));
  }
#endif
  for (; i < n; ++i) o[i] = sterna::f32_to_f16(a[i]);
}

void bf16_to_f32(const void* in, void* out, std::size_t n) {
  const auto* const a = static_cast<const std::uint16_t*>(in);
  float* const o = static_cast<float*>(out);
  for (std::size_t i = 0; i < n; ++i) o[i] = sterna::bf16_to_f32(a[i]);
}

void f32_to_bf16(const void* in, void* out, std::size_t n) {
  const float* const a = static_cast<const float*>(in);
  auto* const o = static_cast<std::uint16_t*>(out);
  for (std::size_t i = 0; i < n; ++i) o[i] = sterna::f32_to_bf16(a[i]);
}

}  // namespace
}  // namespace sterna::ops::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sterna::ops {
HWY_EXPORT(f16_to_f32);
HWY_EXPORT(f32_to_f16);
HWY_EXPORT(bf16_to_f32);
HWY_EXPORT(f32_to_bf16);

void f16_to_f32_loop(const void* in, void* out, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(f16_to_f32)(in, out, n);
}
void f32_to_f16_loop(const void* in, void* out, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(f32_to_f16)(in, out, n);
}
void bf16_to_f32_loop(const void* in, void* out, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(bf16_to_f32)(in, out, n);
}
void f32_to_bf16_loop(const void* in, void* out, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(f32_to_bf16)(in, out, n);
}
}  // namespace sterna::ops
#endif
