// Rows: exp, log, tanh and the activations of neural networks, and the engine's 8-bit quantisation.
#if defined(STERNA_OPS_ACTIVATIONS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STERNA_OPS_ACTIVATIONS_INL
#undef STERNA_OPS_ACTIVATIONS_INL
#else
#define STERNA_OPS_ACTIVATIONS_INL
#endif

#include <bit>
#include <cmath>
#include <span>

#include "tensor/ops/simd/math-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE {
namespace {
namespace activations {

struct Exp {
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x) {
    return math::exp(d, x);
  }
};
struct Log {
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x) {
    return math::log(d, x);
  }
  static double apply(double x) { return std::log(x); }
};
struct Tanh {
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x) {
    return math::tanh(d, x);
  }
  static double apply(double x) { return std::tanh(x); }
};
struct Sigmoid {
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x) {
    const auto l = math::logistic(d, x);
    return hn::Div(l.numerator, l.denominator);
  }
};
struct Silu {
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x) {
    const auto l = math::logistic(d, x);
    return hn::Div(hn::Mul(x, l.numerator), l.denominator);
  }
};
struct GeluTanh {  // ½(1 + tanh u) = 1/(1 + e^−2u)
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x) {
    const V cube = hn::Mul(hn::Mul(x, x), x);
    const V u = hn::Mul(hn::Add(x, hn::Mul(hn::Set(d, 0.044715), cube)), hn::Set(d, 1.5957691216057307118));
    const auto l = math::logistic(d, u);  // u = 2·√(2/π)·(x + 0.044715x³)
    return hn::Div(hn::Mul(x, l.numerator), l.denominator);
  }
};
struct Gelu {  // x·Φ(x); erfc keeps the tail that 1 + erf would lose
  static float apply(float x) { return static_cast<float>(apply(static_cast<double>(x))); }
  static double apply(double x) { return 0.5 * x * std::erfc(x * -0.70710678118654752440); }
};
struct Relu {
  template <class T>
  static T apply(T a) {
    return a < 0 ? T{0} : a;
  }
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x) {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);  // NaN stays
  }
};
struct Relu2 {
  template <class T>
  static T apply(T a) {
    using U = std::conditional_t<(sizeof(T) < 4), std::uint32_t, std::make_unsigned_t<T>>;
    const U positive = static_cast<U>(Relu::apply(a));
    return static_cast<T>(positive * positive);
  }
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x) {
    const V positive = Relu::apply(d, x);
    return hn::Mul(positive, positive);
  }
};

/// Floats computed in vectors of double and rounded once: for functions whose own arithmetic would lose bits.
template <class F, class T>
struct Widened1 {
  static void run(const void* const* in, void* out, std::size_t n) {
    const hn::ScalableTag<double> d;
    const hn::Rebind<float, decltype(d)> df;
    const std::size_t lanes = hn::Lanes(d);
    const float* const a = static_cast<const float*>(in[0]);
    float* const o = static_cast<float*>(out);
    const auto step = [&](const float* from, float* to) HWY_ATTR {
      const auto result = F::apply(d, hn::PromoteTo(d, hn::LoadU(df, from)));
#if HWY_TARGET == HWY_SCALAR  // whose DemoteTo has no infinities
      *to = static_cast<float>(hn::GetLane(result));
#else
      hn::StoreU(hn::DemoteTo(df, result), df, to);
#endif
    };
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) step(a + i, o + i);
    if (i < n) {
      float rest[HWY_MAX_BYTES / sizeof(double)] = {};
      std::memcpy(rest, a + i, (n - i) * sizeof(float));
      step(rest, rest);
      std::memcpy(o + i, rest, (n - i) * sizeof(float));
    }
  }
};

/// round(x·scale), half to even, saturated to [−128, 127]; NaN gives −128. Clamped before rounding, which is
/// the same as after it and keeps the conversion in range.
template <class F, class T>
struct QuantizeI8 {
  static std::int8_t one(float x, float scale) {
    float v = x * scale;
    v = v > -128.0f ? v : -128.0f;
    v = v < 127.0f ? v : 127.0f;
    return static_cast<std::int8_t>(std::bit_cast<std::int32_t>(v + math::kMagic<float>));
  }
  static void run(const void* const* in, void* out, std::size_t n) {
    const float* const x = static_cast<const float*>(in[0]);
    const float* const scale = static_cast<const float*>(in[1]);
    std::int8_t* const o = static_cast<std::int8_t*>(out);
    std::size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
    const hn::ScalableTag<float> d;
    const hn::RebindToSigned<decltype(d)> di;
    const hn::Rebind<std::int8_t, decltype(d)> d8;
    const std::size_t lanes = hn::Lanes(d);
    const auto low = hn::Set(d, -128.0f);
    const auto high = hn::Set(d, 127.0f);
    const auto magic = hn::Set(d, math::kMagic<float>);
    const auto magic_bits = hn::BitCast(di, magic);
    for (; i + lanes <= n; i += lanes) {
      auto v = hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, scale + i));
      v = hn::IfThenElse(hn::Gt(v, low), v, low);
      v = hn::IfThenElse(hn::Lt(v, high), v, high);
      const auto q = hn::Sub(hn::BitCast(di, hn::Add(v, magic)), magic_bits);
      hn::StoreU(hn::DemoteTo(d8, q), d8, o + i);
    }
#endif
    for (; i < n; ++i) o[i] = one(x[i], scale[i]);
  }
};

constexpr Types<float> kFloat;
constexpr Types<double> kDouble;
constexpr Floats kFloats;
constexpr Unsigned kUnsigned;
constexpr Signed kSigned;

constexpr OpRow kRows[] = {
    {"exp", 1, Rule::Float, vectors<Vector1, Exp>(kFloats)},
    {"log", 1, Rule::Float, vectors<Vector1, Log>(kFloat) | plain<Plain1, Log>(kDouble)},
    {"tanh", 1, Rule::Float, vectors<Vector1, Tanh>(kFloat) | plain<Plain1, Tanh>(kDouble)},
    {"sigmoid", 1, Rule::Float, vectors<Widened1, Sigmoid>(kFloat) | vectors<Vector1, Sigmoid>(kDouble)},
    {"silu", 1, Rule::Float, vectors<Widened1, Silu>(kFloat) | vectors<Vector1, Silu>(kDouble)},
    {"gelu", 1, Rule::Float, plain<Plain1, Gelu>(kFloats)},
    {"gelu_tanh", 1, Rule::Float, vectors<Widened1, GeluTanh>(kFloat) | vectors<Vector1, GeluTanh>(kDouble)},
    {"relu", 1, Rule::Numeric,
     plain<Plain1, Relu>(kUnsigned) | plain<Plain1, Relu>(kSigned) | vectors<Vector1, Relu>(kFloats)},
    {"relu2", 1, Rule::Numeric,
     plain<Plain1, Relu2>(kUnsigned) | plain<Plain1, Relu2>(kSigned) | vectors<Vector1, Relu2>(kFloats)},
    {"quantize_i8", 2, Rule::Quantize, vectors<QuantizeI8, void>(kFloat)},
};

}  // namespace activations

std::span<const OpRow> activation_rows() {
  return activations::kRows;
}

}  // namespace
}  // namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
