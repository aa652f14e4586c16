// Rows: arithmetic, extremes and rounding.
#if defined(STERNA_OPS_ARITHMETIC_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STERNA_OPS_ARITHMETIC_INL
#undef STERNA_OPS_ARITHMETIC_INL
#else
#define STERNA_OPS_ARITHMETIC_INL
#endif

#include <cmath>
#include <span>

#include "tensor/ops/simd/loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE {
namespace {
namespace arithmetic {

/// Wide enough that integer promotion to int cannot overflow.
template <class T>
using Wide = std::conditional_t<(sizeof(T) < 4), std::uint32_t, T>;

struct Add {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a + b);
  }
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::Add(a, b);
  }
};
struct Subtract {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a - b);
  }
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::Sub(a, b);
  }
};
struct Multiply {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b));
  }
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::Mul(a, b);
  }
};
struct Divide {
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::Div(a, b);
  }
};
struct Or {
  template <class T>
  static T apply(T a, T b) {
    return a | b;
  }
};

// The first operand wins where it is NaN, else the second where that is: as NumPy's maximum and minimum.
struct Maximum {
  template <class T>
  static T apply(T a, T b) {
    return a >= b ? a : b;
  }
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::IsNaN(a)), a, b);
  }
};
struct Minimum {
  template <class T>
  static T apply(T a, T b) {
    return a <= b ? a : b;
  }
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Le(a, b), hn::IsNaN(a)), a, b);
  }
};
// A number wins over NaN.
struct Fmax {
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::IsNaN(b)), a, b);
  }
};
struct Fmin {
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::IfThenElse(hn::Or(hn::Le(a, b), hn::IsNaN(b)), a, b);
  }
};
struct Clip {
  template <class T>
  static T apply(T x, T low, T high) {
    return Minimum::apply(Maximum::apply(x, low), high);
  }
  template <class D, class V>
  static HWY_INLINE V apply(D d, V x, V low, V high) {
    return Minimum::apply(d, Maximum::apply(d, x, low), high);
  }
};

struct Positive {
  template <class T>
  static T apply(T a) {
    return a;
  }
};
struct Negative {
  template <class T>
  static T apply(T a) {
    return static_cast<T>(T{0} - a);
  }
  template <class D, class V>
  static HWY_INLINE V apply(D, V a) {
    return hn::Neg(a);
  }
};
struct Absolute {
  template <class T>
  static T apply(T a) {  // the most negative integer stays itself
    return a < 0 ? static_cast<T>(std::make_unsigned_t<T>{0} - static_cast<std::make_unsigned_t<T>>(a)) : a;
  }
  template <class D, class V>
  static HWY_INLINE V apply(D, V a) {
    return hn::Abs(a);
  }
};
struct Square {
  template <class T>
  static T apply(T a) {
    return Multiply::apply(a, a);
  }
  template <class D, class V>
  static HWY_INLINE V apply(D, V a) {
    return hn::Mul(a, a);
  }
};
struct Reciprocal {
  template <class T>
  static T apply(T a) {  // of integers: 1, −1 or 0, and 0 for 0
    return a == T{1} ? T{1} : (std::is_signed_v<T> && a == static_cast<T>(-1)) ? a : T{0};
  }
  template <class D, class V>
  static HWY_INLINE V apply(D d, V a) {
    return hn::Div(hn::Set(d, 1), a);
  }
};
struct Sqrt {
  template <class D, class V>
  static HWY_INLINE V apply(D, V a) {
    return hn::Sqrt(a);
  }
};
struct Sign {
  template <class T>
  static T apply(T a) {
    return static_cast<T>((a > 0) - (a < 0));
  }
  template <class D, class V>
  static HWY_INLINE V apply(D d, V a) {
    const V zero = hn::Zero(d);
    const V negative = hn::IfThenElse(hn::Lt(a, zero), hn::Set(d, -1), a);           // NaN and zero stay
    return hn::IfThenElse(hn::Gt(a, zero), hn::Set(d, 1), hn::Add(negative, zero));  // −0 + 0 = 0
  }
};
struct CopySign {
  template <class D, class V>
  static HWY_INLINE V apply(D, V a, V b) {
    return hn::CopySign(a, b);
  }
};

// What the compiler has as one instruction where there is one.
struct Floor {
  static float apply(float a) { return __builtin_floorf(a); }
  static double apply(double a) { return __builtin_floor(a); }
};
struct Ceil {
  static float apply(float a) { return __builtin_ceilf(a); }
  static double apply(double a) { return __builtin_ceil(a); }
};
struct Trunc {
  static float apply(float a) { return __builtin_truncf(a); }
  static double apply(double a) { return __builtin_trunc(a); }
};
struct Rint {
  static float apply(float a) { return __builtin_nearbyintf(a); }
  static double apply(double a) { return __builtin_nearbyint(a); }
};

constexpr Floats kFloats;
constexpr Unsigned kUnsigned;
constexpr Signed kSigned;
constexpr Loop kOr = &Plain2<Or, std::uint8_t, std::uint8_t>::run;

constexpr OpRow kRows[] = {
    {"add", 2, Rule::Common,
     same_for_signed(plain<Plain2, Add>(kUnsigned)) | vectors<Vector2, Add>(kFloats) | for_bool(kOr)},
    {"subtract", 2, Rule::Common,
     same_for_signed(plain<Plain2, Subtract>(kUnsigned)) | vectors<Vector2, Subtract>(kFloats)},
    {"multiply", 2, Rule::Common,
     same_for_bool(same_for_signed(plain<Plain2, Multiply>(kUnsigned))) |
         vectors<Vector2, Multiply>(kFloats)},
    {"divide", 2, Rule::Division, vectors<Vector2, Divide>(kFloats)},
    {"maximum", 2, Rule::Common,
     same_for_bool(plain<Plain2, Maximum>(kUnsigned)) | plain<Plain2, Maximum>(kSigned) |
         vectors<Vector2, Maximum>(kFloats)},
    {"minimum", 2, Rule::Common,
     same_for_bool(plain<Plain2, Minimum>(kUnsigned)) | plain<Plain2, Minimum>(kSigned) |
         vectors<Vector2, Minimum>(kFloats)},
    {"fmax", 2, Rule::Common,
     same_for_bool(plain<Plain2, Maximum>(kUnsigned)) | plain<Plain2, Maximum>(kSigned) |
         vectors<Vector2, Fmax>(kFloats)},
    {"fmin", 2, Rule::Common,
     same_for_bool(plain<Plain2, Minimum>(kUnsigned)) | plain<Plain2, Minimum>(kSigned) |
         vectors<Vector2, Fmin>(kFloats)},
    {"clip", 3, Rule::Common,
     same_for_bool(plain<Plain3, Clip>(kUnsigned)) | plain<Plain3, Clip>(kSigned) |
         vectors<Vector3, Clip>(kFloats)},
    {"copysign", 2, Rule::Float, vectors<Vector2, CopySign>(kFloats)},
    {"positive", 1, Rule::Common,
     same_for_signed(plain<Plain1, Positive>(kUnsigned)) | plain<Plain1, Positive>(kFloats)},
    {"negative", 1, Rule::Common,
     same_for_signed(plain<Plain1, Negative>(kUnsigned)) | vectors<Vector1, Negative>(kFloats)},
    {"absolute", 1, Rule::Common,
     same_for_bool(plain<Plain1, Positive>(kUnsigned)) | plain<Plain1, Absolute>(kSigned) |
         vectors<Vector1, Absolute>(kFloats)},
    {"sign", 1, Rule::Common,
     plain<Plain1, Sign>(kUnsigned) | plain<Plain1, Sign>(kSigned) | vectors<Vector1, Sign>(kFloats)},
    {"square", 1, Rule::Numeric,
     same_for_signed(plain<Plain1, Square>(kUnsigned)) | vectors<Vector1, Square>(kFloats)},
    {"reciprocal", 1, Rule::Numeric,
     plain<Plain1, Reciprocal>(kUnsigned) | plain<Plain1, Reciprocal>(kSigned) |
         vectors<Vector1, Reciprocal>(kFloats)},
    {"sqrt", 1, Rule::Float, vectors<Vector1, Sqrt>(kFloats)},
    {"floor", 1, Rule::Float, plain<Plain1, Floor>(kFloats)},
    {"ceil", 1, Rule::Float, plain<Plain1, Ceil>(kFloats)},
    {"trunc", 1, Rule::Float, plain<Plain1, Trunc>(kFloats)},
    {"rint", 1, Rule::Float, plain<Plain1, Rint>(kFloats)},
};

}  // namespace arithmetic

std::span<const OpRow> arithmetic_rows() {
  return arithmetic::kRows;
}

}  // namespace
}  // namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
