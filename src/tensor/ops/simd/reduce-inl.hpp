// Rows: reductions.
#if defined(STERNA_OPS_REDUCE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STERNA_OPS_REDUCE_INL
#undef STERNA_OPS_REDUCE_INL
#else
#define STERNA_OPS_REDUCE_INL
#endif

#include <cmath>
#include <limits>
#include <span>

#include "tensor/ops/reduce_row.hpp"
#include "tensor/ops/simd/loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE {
namespace {
namespace reduce {

using ::sterna::ops::kPlainTypes;
using ::sterna::ops::kReduceLanes;
using ::sterna::ops::Reducer;
using ::sterna::ops::ReduceRow;
using ::sterna::ops::Reducers;
using ::sterna::ops::ReduceRule;
using ::sterna::ops::ReduceState;

// ---- sums
// -----------------------------------------------------------------------------------------------------------

struct Itself {
  template <class V>
  static HWY_INLINE V apply(V x, V) {
    return x;
  }
};
struct SquaredDistance {  // from the parameter: a mean, or 0
  template <class V>
  static HWY_INLINE V apply(V x, V parameter) {
    const V distance = hn::Sub(x, parameter);
    return hn::Mul(distance, distance);
  }
};
struct Magnitude {
  template <class V>
  static HWY_INLINE V apply(V x, V) {
    return hn::Abs(x);
  }
};

/// Σ F(x): floats in double, doubles with what each addition rounds away summed beside (Knuth's two-sum), so
/// that the error is within one rounding of the result plus n²·2^−106·Σ|F(x)|; of floats n·2^−53·Σ|F(x)|.
template <class F, class T>
struct SumOf {
  using D = hn::CappedTag<double, kReduceLanes>;
  using V = hn::VFromD<D>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());
  static constexpr std::size_t kVectors = kReduceLanes / kLanes;

  static HWY_INLINE V load(const float* from) {
    const D d;
    return hn::PromoteTo(d, hn::LoadU(hn::Rebind<float, D>(), from));
  }
  static HWY_INLINE V load(const double* from) { return hn::LoadU(D(), from); }

  static void begin(ReduceState& state) {
    state.sum.fill(0);
    state.lost.fill(0);
  }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    const T* a = static_cast<const T*>(in);
    const D d;
    const V parameter = hn::Set(d, state.parameter);
    V sum[kVectors];
    V lost[kVectors];
    for (std::size_t k = 0; k < kVectors; ++k) {
      sum[k] = hn::LoadU(d, state.sum.data() + k * kLanes);
      lost[k] = hn::LoadU(d, state.lost.data() + k * kLanes);
    }
    std::size_t i = 0;
    for (; i + kReduceLanes <= n; i += kReduceLanes) {
      for (std::size_t k = 0; k < kVectors; ++k) {
        const V x = F::apply(load(a + i + k * kLanes), parameter);
        const V total = hn::Add(sum[k], x);
        if constexpr (sizeof(T) == 8) {
          const V part = hn::Sub(total, sum[k]);
          lost[k] = hn::Add(lost[k], hn::Add(hn::Sub(sum[k], hn::Sub(total, part)), hn::Sub(x, part)));
        }
        sum[k] = total;
      }
    }
    for (std::size_t k = 0; k < kVectors; ++k) {
      hn::StoreU(sum[k], d, state.sum.data() + k * kLanes);
      hn::StoreU(lost[k], d, state.lost.data() + k * kLanes);
    }
    for (std::size_t k = 0; i < n; ++i, ++k) {  // the row's end
      HWY_ALIGN T one[HWY_MAX_BYTES / sizeof(T)] = {a[i]};
      add_two(state.sum[k], state.lost[k], hn::GetLane(F::apply(load(one), parameter)));
    }
  }
  static HWY_INLINE void add_two(double& sum, double& lost, double x) {
    const double total = sum + x;
    const double part = total - sum;
    lost += (sum - (total - part)) + (x - part);
    sum = total;
  }
  static double total(const ReduceState& state) {
    double sum = 0;
    double lost = 0;
    for (std::size_t k = 0; k < kReduceLanes; ++k) {
      add_two(sum, lost, state.sum[k]);
      lost += state.lost[k];
    }
    // Infinities and what follows from them are in the sum; what was lost to them is NaN and means nothing.
    return sum - sum == 0 ? sum + lost : sum;
  }
  static void write(double value, void* out) {
    const T rounded = static_cast<T>(value);
    std::memcpy(out, &rounded, sizeof(T));
  }
};

template <class T>
struct Sum : SumOf<Itself, T> {
  static void finish(const ReduceState& state, std::size_t, void* out) { Sum::write(Sum::total(state), out); }
};
template <class T>
struct Mean : SumOf<Itself, T> {
  static void finish(const ReduceState& state, std::size_t n, void* out) {
    Mean::write(Mean::total(state) / static_cast<double>(n), out);
  }
};
/// Σ|x|.
template <class T>
struct Norm1 : SumOf<Magnitude, T> {
  static void finish(const ReduceState& state, std::size_t, void* out) {
    Norm1::write(Norm1::total(state), out);
  }
};
/// √Σx²; the parameter is 0.
template <class T>
struct Norm2 : SumOf<SquaredDistance, T> {
  static void finish(const ReduceState& state, std::size_t, void* out) {
    Norm2::write(std::sqrt(Norm2::total(state)), out);
  }
};

/// Σ(x − mean)² / (n − ddof), in two walks; the parameter is ddof and then the mean.
template <class T>
struct Variance {
  static void begin(ReduceState& state) {
    SumOf<Itself, T>::begin(state);
    state.again = false;
  }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    if (state.again) {
      SumOf<SquaredDistance, T>::add(state, in, n);
    } else {
      SumOf<Itself, T>::add(state, in, n);
    }
  }
  static void again(ReduceState& state, std::size_t n) {
    const double mean = SumOf<Itself, T>::total(state) / static_cast<double>(n);
    std::memcpy(state.extreme, &state.parameter, sizeof(double));  // ddof, until the end
    state.parameter = mean;
    SumOf<Itself, T>::begin(state);
    state.again = true;
  }
  static double value(const ReduceState& state, std::size_t n) {
    double ddof;
    std::memcpy(&ddof, state.extreme, sizeof(double));
    const double freedom = static_cast<double>(n) - ddof;
    return SumOf<SquaredDistance, T>::total(state) / (freedom > 0 ? freedom : 0);
  }
  static void finish(const ReduceState& state, std::size_t n, void* out) {
    SumOf<Itself, T>::write(value(state, n), out);
  }
};
template <class T>
struct Deviation : Variance<T> {
  static void finish(const ReduceState& state, std::size_t n, void* out) {
    SumOf<Itself, T>::write(std::sqrt(Variance<T>::value(state, n)), out);
  }
};

/// (Σ|x|^p)^(1/p); the parameter is p. One element at a time.
template <class T>
struct NormP {
  static void begin(ReduceState& state) { SumOf<Itself, T>::begin(state); }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    const T* a = static_cast<const T*>(in);
    for (std::size_t i = 0; i < n; ++i) {
      SumOf<Itself, T>::add_two(state.sum[0], state.lost[0],
                                std::pow(std::abs(double{a[i]}), state.parameter));
    }
  }
  static void finish(const ReduceState& state, std::size_t, void* out) {
    SumOf<Itself, T>::write(std::pow(SumOf<Itself, T>::total(state), 1 / state.parameter), out);
  }
};

/// Integers modulo 2^64, whatever their sign.
struct IntegerSum {
  static void begin(ReduceState& state) { state.integer = 0; }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    const auto* const a = static_cast<const std::uint64_t*>(in);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += a[i];
    state.integer += sum;
  }
  static void finish(const ReduceState& state, std::size_t, void* out) {
    std::memcpy(out, &state.integer, 8);
  }
};

// ---- products
// -------------------------------------------------------------------------------------------------------

struct IntegerProduct {
  static void begin(ReduceState& state) { state.integer = 1; }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    const auto* const a = static_cast<const std::uint64_t*>(in);
    for (std::size_t i = 0; i < n; ++i) state.integer *= a[i];
  }
  static void finish(const ReduceState& state, std::size_t, void* out) {
    std::memcpy(out, &state.integer, 8);
  }
};
/// From the first to the last, in double: another order could overflow where this one does not.
template <class T>
struct Product {
  static void begin(ReduceState& state) { state.sum[0] = 1; }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    const T* const a = static_cast<const T*>(in);
    double product = state.sum[0];
    for (std::size_t i = 0; i < n; ++i) product *= static_cast<double>(a[i]);
    state.sum[0] = product;
  }
  static void finish(const ReduceState& state, std::size_t, void* out) {
    SumOf<Itself, T>::write(state.sum[0], out);
  }
};

// ---- extremes
// -------------------------------------------------------------------------------------------------------

// better(a, b): which one stays; NaN beats every number, and the first of equals wins.
struct Greatest {
  template <class T>
  static T apply(T a, T b) {
    return a >= b || a != a ? a : b;
  }
  template <class V>
  static HWY_INLINE V vector(V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::IsNaN(a)), a, b);
  }
};
struct Least {
  template <class T>
  static T apply(T a, T b) {
    return a <= b || a != a ? a : b;
  }
  template <class V>
  static HWY_INLINE V vector(V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Le(a, b), hn::IsNaN(a)), a, b);
  }
};

/// The extreme of n ≥ 1 elements.
template <class F, class T>
T extreme_of(const T* a, std::size_t n) {
  T best = a[0];
  std::size_t i = 0;
  if constexpr (std::is_floating_point_v<T>) {
    const hn::ScalableTag<T> d;
    const std::size_t lanes = hn::Lanes(d);
    if (n >= 4 * lanes) {
      auto v0 = hn::LoadU(d, a);
      auto v1 = hn::LoadU(d, a + lanes);
      auto v2 = hn::LoadU(d, a + 2 * lanes);
      auto v3 = hn::LoadU(d, a + 3 * lanes);
      for (i = 4 * lanes; i + 4 * lanes <= n; i += 4 * lanes) {
        v0 = F::vector(v0, hn::LoadU(d, a + i));
        v1 = F::vector(v1, hn::LoadU(d, a + i + lanes));
        v2 = F::vector(v2, hn::LoadU(d, a + i + 2 * lanes));
        v3 = F::vector(v3, hn::LoadU(d, a + i + 3 * lanes));
      }
      HWY_ALIGN T all[HWY_MAX_BYTES / sizeof(T)];
      hn::Store(F::vector(F::vector(v0, v1), F::vector(v2, v3)), d, all);
      best = all[0];
      for (std::size_t k = 1; k < lanes; ++k) best = F::apply(best, all[k]);
    }
    for (; i < n; ++i) best = F::apply(best, a[i]);
  } else {
    for (; i < n; ++i) best = F::apply(best, a[i]);
  }
  return best;
}

template <class F, class T>
struct Extreme {
  static void begin(ReduceState& state) { state.seen = 0; }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    if (n == 0) return;
    T best = extreme_of<F>(static_cast<const T*>(in), n);
    if (state.seen != 0) best = F::apply(value(state), best);
    std::memcpy(state.extreme, &best, sizeof(T));
    state.seen += n;
  }
  static void finish(const ReduceState& state, std::size_t, void* out) {
    std::memcpy(out, state.extreme, sizeof(T));
  }
  static T value(const ReduceState& state) {
    T best;
    std::memcpy(&best, state.extreme, sizeof(T));
    return best;
  }
};

/// Where the first extreme is: a portion is searched only when its extreme beats what was found before it.
template <class F, class T>
struct IndexOf {
  static void begin(ReduceState& state) {
    state.seen = 0;
    state.index = 0;
  }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    if (n == 0) return;
    const T* const a = static_cast<const T*>(in);
    const T best = extreme_of<F>(a, n);
    const T before = Extreme<F, T>::value(state);
    const bool wins = state.seen == 0 || (best != before && F::apply(before, best) == best) ||
                      (best != best && before == before);
    if (wins) {
      std::size_t i = 0;
      while (!(a[i] == best || (best != best && a[i] != a[i]))) ++i;
      state.index = state.seen + i;
      std::memcpy(state.extreme, &best, sizeof(T));
    }
    state.seen += n;
  }
  static void finish(const ReduceState& state, std::size_t, void* out) { std::memcpy(out, &state.index, 8); }
};

/// max|x| or min|x|.
template <class F, class T>
struct ExtremeMagnitude {
  static void begin(ReduceState& state) { Extreme<F, T>::begin(state); }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    const T* const a = static_cast<const T*>(in);
    for (std::size_t i = 0; i < n; ++i) {
      const T magnitude = std::abs(a[i]);
      Extreme<F, T>::add(state, &magnitude, 1);
    }
  }
  static void finish(const ReduceState& state, std::size_t, void* out) {
    std::memcpy(out, state.extreme, sizeof(T));
  }
};

// ---- truth
// ----------------------------------------------------------------------------------------------------------

struct Count {
  static void begin(ReduceState& state) { state.integer = state.seen = 0; }
  static void add(ReduceState& state, const void* in, std::size_t n) {
    const auto* const a = static_cast<const std::uint8_t*>(in);
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < n; ++i) count += a[i] != 0;
    state.integer += count;
    state.seen += n;
  }
  static void finish(const ReduceState& state, std::size_t, void* out) {
    std::memcpy(out, &state.integer, 8);
  }
};
struct Any : Count {
  static void finish(const ReduceState& state, std::size_t, void* out) {
    const std::uint8_t truth = state.integer != 0;
    std::memcpy(out, &truth, 1);
  }
};
struct All : Count {
  static void finish(const ReduceState& state, std::size_t, void* out) {
    const std::uint8_t truth = state.integer == state.seen;
    std::memcpy(out, &truth, 1);
  }
};

// ---- the table
// ------------------------------------------------------------------------------------------------------

template <class R>
constexpr Reducer reducer() {
  if constexpr (requires { &R::again; }) {
    return {&R::begin, &R::add, &R::finish, &R::again};
  } else {
    return {&R::begin, &R::add, &R::finish, nullptr};
  }
}
template <template <class> class R>
constexpr Reducers of_floats() {
  Reducers reducers{};
  reducers[slot<float>()] = reducer<R<float>>();
  reducers[slot<double>()] = reducer<R<double>>();
  return reducers;
}
template <class R>
constexpr Reducers with_integers(Reducers reducers) {
  reducers[slot<std::int64_t>()] = reducers[slot<std::uint64_t>()] = reducer<R>();
  return reducers;
}
template <template <class, class> class R, class F, class... T>
constexpr Reducers of_types(Types<T...>) {
  Reducers reducers{};
  ((reducers[slot<T>()] = reducer<R<F, T>>()), ...);
  return reducers;
}
template <class R>
constexpr Reducers of_bool() {
  Reducers reducers{};
  reducers[static_cast<std::size_t>(DType::Bool)] = reducer<R>();
  return reducers;
}
template <template <class, class> class R, class F>
constexpr Reducers of_all() {
  Reducers reducers =
      of_types<R, F>(Types<float, double, std::int8_t, std::int16_t, std::int32_t, std::int64_t, std::uint8_t,
                           std::uint16_t, std::uint32_t, std::uint64_t>());
  reducers[static_cast<std::size_t>(DType::Bool)] = reducers[slot<std::uint8_t>()];
  return reducers;
}

constexpr ReduceRow kRows[] = {
    {"sum", ReduceRule::Sum, with_integers<IntegerSum>(of_floats<Sum>())},
    {"prod", ReduceRule::Sum, with_integers<IntegerProduct>(of_floats<Product>())},
    {"mean", ReduceRule::Mean, of_floats<Mean>()},
    {"var", ReduceRule::Mean, of_floats<Variance>()},
    {"std", ReduceRule::Mean, of_floats<Deviation>()},
    {"max", ReduceRule::Extreme, of_all<Extreme, Greatest>()},
    {"min", ReduceRule::Extreme, of_all<Extreme, Least>()},
    {"argmax", ReduceRule::Index, of_all<IndexOf, Greatest>()},
    {"argmin", ReduceRule::Index, of_all<IndexOf, Least>()},
    {"any", ReduceRule::Truth, of_bool<Any>()},
    {"all", ReduceRule::Truth, of_bool<All>()},
    {"count_nonzero", ReduceRule::Count, of_bool<Count>()},
    {"norm_1", ReduceRule::Mean, of_floats<Norm1>()},
    {"norm_2", ReduceRule::Mean, of_floats<Norm2>()},
    {"norm_p", ReduceRule::Mean, of_floats<NormP>()},
    {"norm_max", ReduceRule::Mean, of_types<ExtremeMagnitude, Greatest>(Floats())},
    {"norm_min", ReduceRule::Mean, of_types<ExtremeMagnitude, Least>(Floats())},
};

}  // namespace reduce

std::span<const ::sterna::ops::ReduceRow> reduce_rows() {
  return reduce::kRows;
}

}  // namespace
}  // namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
