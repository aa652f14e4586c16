// Loops over contiguous operands, per target: those written in vectors, and those that the compiler
// vectorises.
#if defined(STERNA_OPS_LOOPS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STERNA_OPS_LOOPS_INL
#undef STERNA_OPS_LOOPS_INL
#else
#define STERNA_OPS_LOOPS_INL
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tensor/ops/row.hpp"

#ifndef STERNA_OPS_NAMESPACE
#define STERNA_OPS_NAMESPACE ops  // scalar_rows.cpp compiles the same sources once more under another name
#endif

// An element depends on the operands' elements of the same index alone, also when the result overwrites an
// operand.
#if defined(__clang__)
#define STERNA_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define STERNA_INDEPENDENT _Pragma("GCC ivdep")
#endif

HWY_BEFORE_NAMESPACE();
namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using ::sterna::ops::Loop;
using ::sterna::ops::Loops;
using ::sterna::ops::OpRow;
using ::sterna::ops::Rule;

template <class T>
constexpr std::size_t slot() {
  if (std::is_same_v<T, double>) return static_cast<std::size_t>(DType::F64);
  if (std::is_same_v<T, float>) return static_cast<std::size_t>(DType::F32);
  constexpr std::size_t log2 = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
  return static_cast<std::size_t>(std::is_signed_v<T> ? DType::I8 : DType::U8) + log2;
}

/// F::apply(d, v…) on whole vectors. Four at a time: the additions of addresses and the branch are then
/// hidden behind the loads and stores.
template <class F, class T, std::size_t... K>
HWY_INLINE void vector_loop(const void* const* in, void* out, std::size_t n, std::index_sequence<K...>) {
  const hn::ScalableTag<T> d;
  const std::size_t lanes = hn::Lanes(d);
  const T* const a[] = {static_cast<const T*>(in[K])...};
  T* const o = static_cast<T*>(out);
  std::size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto v0 = F::apply(d, hn::LoadU(d, a[K] + i)...);
    const auto v1 = F::apply(d, hn::LoadU(d, a[K] + i + lanes)...);
    const auto v2 = F::apply(d, hn::LoadU(d, a[K] + i + 2 * lanes)...);
    const auto v3 = F::apply(d, hn::LoadU(d, a[K] + i + 3 * lanes)...);
    hn::StoreU(v0, d, o + i);
    hn::StoreU(v1, d, o + i + lanes);
    hn::StoreU(v2, d, o + i + 2 * lanes);
    hn::StoreU(v3, d, o + i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) hn::StoreU(F::apply(d, hn::LoadU(d, a[K] + i)...), d, o + i);
  if (i < n) {  // the rest, through vectors of their own
    HWY_ALIGN T rest[sizeof...(K)][HWY_MAX_BYTES / sizeof(T)] = {};
    (std::memcpy(rest[K], a[K] + i, (n - i) * sizeof(T)), ...);
    hn::Store(F::apply(d, hn::Load(d, rest[K])...), d, rest[0]);
    std::memcpy(o + i, rest[0], (n - i) * sizeof(T));
  }
}

template <class F, class T>
struct Vector1 {
  static void run(const void* const* in, void* out, std::size_t n) {
    vector_loop<F, T>(in, out, n, std::make_index_sequence<1>());
  }
};
template <class F, class T>
struct Vector2 {
  static void run(const void* const* in, void* out, std::size_t n) {
    vector_loop<F, T>(in, out, n, std::make_index_sequence<2>());
  }
};
template <class F, class T>
struct Vector3 {
  static void run(const void* const* in, void* out, std::size_t n) {
    vector_loop<F, T>(in, out, n, std::make_index_sequence<3>());
  }
};

/// F::apply(a…) element by element, giving R: for the compiler to vectorise.
template <class F, class T, class R>
struct Plain1 {
  static void run(const void* const* in, void* out, std::size_t n) {
    const T* const a = static_cast<const T*>(in[0]);
    R* const o = static_cast<R*>(out);
    STERNA_INDEPENDENT
    for (std::size_t i = 0; i < n; ++i) o[i] = static_cast<R>(F::apply(a[i]));
  }
};
template <class F, class T, class R>
struct Plain2 {
  static void run(const void* const* in, void* out, std::size_t n) {
    const T* const a = static_cast<const T*>(in[0]);
    const T* const b = static_cast<const T*>(in[1]);
    R* const o = static_cast<R*>(out);
    STERNA_INDEPENDENT
    for (std::size_t i = 0; i < n; ++i) o[i] = static_cast<R>(F::apply(a[i], b[i]));
  }
};
template <class F, class T, class R>
struct Plain3 {
  static void run(const void* const* in, void* out, std::size_t n) {
    const T* const a = static_cast<const T*>(in[0]);
    const T* const b = static_cast<const T*>(in[1]);
    const T* const c = static_cast<const T*>(in[2]);
    R* const o = static_cast<R*>(out);
    STERNA_INDEPENDENT
    for (std::size_t i = 0; i < n; ++i) o[i] = static_cast<R>(F::apply(a[i], b[i], c[i]));
  }
};

template <class... T>
struct Types {};
using Floats = Types<float, double>;
using Unsigned = Types<std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>;
using Signed = Types<std::int8_t, std::int16_t, std::int32_t, std::int64_t>;

/// Loops, and for which types they are given: whether a function's address is null is no constant expression
/// where the sanitizers are at work.
struct Given {
  Loops loops{};
  std::array<bool, ops::kPlainTypes> types{};
  constexpr void set(std::size_t type, Loop loop) {
    loops[type] = loop;
    types[type] = true;
  }
  constexpr operator Loops() const { return loops; }
};

/// L<F, T> for every T of the list.
template <template <class, class> class L, class F, class... T>
constexpr Given vectors(Types<T...>) {
  Given given;
  (given.set(slot<T>(), &L<F, T>::run), ...);
  return given;
}
/// L<F, T, T>, or L<F, T, R> with an R.
template <template <class, class, class> class L, class F, class... T>
constexpr Given plain(Types<T...>) {
  Given given;
  (given.set(slot<T>(), &L<F, T, T>::run), ...);
  return given;
}
template <template <class, class, class> class L, class F, class R, class... T>
constexpr Given plain_to(Types<T...>) {
  Given given;
  (given.set(slot<T>(), &L<F, T, R>::run), ...);
  return given;
}

/// Both; no type is in both.
constexpr Given operator|(Given a, const Given& b) {
  for (std::size_t i = 0; i < ops::kPlainTypes; ++i) {
    if (b.types[i]) a.set(i, b.loops[i]);
  }
  return a;
}
/// The loops of the unsigned types for the signed types too: the same bits, where arithmetic wraps.
constexpr Given same_for_signed(Given a) {
  for (std::size_t i = 0; i < 4; ++i) {
    a.set(static_cast<std::size_t>(DType::I8) + i, a.loops[static_cast<std::size_t>(DType::U8) + i]);
  }
  return a;
}
/// The loop of U8 for Bool too, whose elements are bytes of 0 and 1.
constexpr Given same_for_bool(Given a) {
  a.set(static_cast<std::size_t>(DType::Bool), a.loops[static_cast<std::size_t>(DType::U8)]);
  return a;
}
constexpr Given for_bool(Loop loop) {
  Given given;
  given.set(static_cast<std::size_t>(DType::Bool), loop);
  return given;
}

}  // namespace
}  // namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
