// Rows: comparison, logic, bits, and what kind of number an element is.
#if defined(STERNA_OPS_COMPARE_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef STERNA_OPS_COMPARE_INL
#undef STERNA_OPS_COMPARE_INL
#else
#define STERNA_OPS_COMPARE_INL
#endif

#include <limits>
#include <span>

#include "tensor/ops/simd/loops-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE {
namespace {
namespace compare {

struct Equal {
  template <class T>
  static bool apply(T a, T b) {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  static bool apply(T a, T b) {
    return a != b;
  }
};
struct Less {
  template <class T>
  static bool apply(T a, T b) {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  static bool apply(T a, T b) {
    return a <= b;
  }
};
struct Greater {
  template <class T>
  static bool apply(T a, T b) {
    return a > b;
  }
};
struct GreaterEqual {
  template <class T>
  static bool apply(T a, T b) {
    return a >= b;
  }
};

struct And {
  template <class T>
  static T apply(T a, T b) {
    return a & b;
  }
};
struct Or {
  template <class T>
  static T apply(T a, T b) {
    return a | b;
  }
};
struct Xor {
  template <class T>
  static T apply(T a, T b) {
    return a ^ b;
  }
};
struct Not {  // of Bool
  static std::uint8_t apply(std::uint8_t a) { return a ^ 1; }
};
struct Invert {
  template <class T>
  static T apply(T a) {
    return static_cast<T>(~a);
  }
};
// Shifting by the width or more, or by a negative number, gives what shifting bit by bit would.
struct LeftShift {
  template <class T>
  static T apply(T a, T b) {
    constexpr T kWidth = sizeof(T) * 8;
    return b < kWidth ? static_cast<T>(static_cast<std::uint64_t>(a) << b) : T{0};
  }
};
struct RightShift {
  template <class T>
  static T apply(T a, T b) {
    const auto by = static_cast<std::make_unsigned_t<T>>(b);
    const bool inside = by < sizeof(T) * 8;
    const T shifted = static_cast<T>(a >> (inside ? by : sizeof(T) * 8 - 1));
    return inside || std::is_signed_v<T> ? shifted : T{0};
  }
};

// By comparisons, so that no option of the compiler on NaN can matter less than the source says.
struct IsNan {
  template <class T>
  static bool apply(T a) {
    return a != a;
  }
};
struct IsInf {
  template <class T>
  static bool apply(T a) {
    return (a < 0 ? -a : a) > std::numeric_limits<T>::max();
  }
};
struct IsFinite {
  template <class T>
  static bool apply(T a) {
    return (a < 0 ? -a : a) <= std::numeric_limits<T>::max();
  }
};
struct SignBit {
  template <class T>
  static bool apply(T a) {
    return __builtin_signbit(a) != 0;
  }
};

/// The second operand where the first (a Bool) is true, else the third. One loop for each size of element.
template <class U>
struct Where {
  static void run(const void* const* in, void* out, std::size_t n) {
    const auto* const condition = static_cast<const std::uint8_t*>(in[0]);
    const U* const a = static_cast<const U*>(in[1]);
    const U* const b = static_cast<const U*>(in[2]);
    U* const o = static_cast<U*>(out);
    STERNA_INDEPENDENT
    for (std::size_t i = 0; i < n; ++i) o[i] = condition[i] != 0 ? a[i] : b[i];
  }
};

constexpr Floats kFloats;
constexpr Unsigned kUnsigned;
constexpr Signed kSigned;

template <class F>
constexpr Loops kOrder =
    same_for_bool(plain_to<Plain2, F, std::uint8_t>(kUnsigned)) | plain_to<Plain2, F, std::uint8_t>(kSigned) |
    plain_to<Plain2, F, std::uint8_t>(kFloats);
template <class F>
constexpr Loops kEquality = same_for_bool(same_for_signed(plain_to<Plain2, F, std::uint8_t>(kUnsigned))) |
                            plain_to<Plain2, F, std::uint8_t>(kFloats);
template <class F>
constexpr Loops kBits = same_for_bool(same_for_signed(plain<Plain2, F>(kUnsigned)));
template <class F>
constexpr Loops kBool = for_bool(&Plain2<F, std::uint8_t, std::uint8_t>::run);
template <class F>
constexpr Loops kKind = plain_to<Plain1, F, std::uint8_t>(kFloats);

constexpr Given where_loops() {
  Given given;
  given.set(slot<std::uint8_t>(), &Where<std::uint8_t>::run);
  given.set(slot<std::uint16_t>(), &Where<std::uint16_t>::run);
  given.set(slot<std::uint32_t>(), &Where<std::uint32_t>::run);
  given.set(slot<float>(), &Where<std::uint32_t>::run);
  given.set(slot<std::uint64_t>(), &Where<std::uint64_t>::run);
  given.set(slot<double>(), &Where<std::uint64_t>::run);
  return same_for_bool(same_for_signed(given));
}

constexpr OpRow kRows[] = {
    {"equal", 2, Rule::Compare, kEquality<Equal>},
    {"not_equal", 2, Rule::Compare, kEquality<NotEqual>},
    {"less", 2, Rule::Compare, kOrder<Less>},
    {"less_equal", 2, Rule::Compare, kOrder<LessEqual>},
    {"greater", 2, Rule::Compare, kOrder<Greater>},
    {"greater_equal", 2, Rule::Compare, kOrder<GreaterEqual>},
    {"logical_and", 2, Rule::Logical, kBool<And>},
    {"logical_or", 2, Rule::Logical, kBool<Or>},
    {"logical_xor", 2, Rule::Logical, kBool<Xor>},
    {"logical_not", 1, Rule::Logical, for_bool(&Plain1<Not, std::uint8_t, std::uint8_t>::run)},
    {"bitwise_and", 2, Rule::Common, kBits<And>},
    {"bitwise_or", 2, Rule::Common, kBits<Or>},
    {"bitwise_xor", 2, Rule::Common, kBits<Xor>},
    {"invert", 1, Rule::Common,
     same_for_signed(plain<Plain1, Invert>(kUnsigned)) |
         for_bool(&Plain1<Not, std::uint8_t, std::uint8_t>::run)},
    {"left_shift", 2, Rule::Numeric, same_for_signed(plain<Plain2, LeftShift>(kUnsigned))},
    {"right_shift", 2, Rule::Numeric,
     plain<Plain2, RightShift>(kUnsigned) | plain<Plain2, RightShift>(kSigned)},
    {"isnan", 1, Rule::Predicate, kKind<IsNan>},
    {"isinf", 1, Rule::Predicate, kKind<IsInf>},
    {"isfinite", 1, Rule::Predicate, kKind<IsFinite>},
    {"signbit", 1, Rule::Predicate, kKind<SignBit>},
    {"where", 3, Rule::Select, where_loops()},
};

}  // namespace compare

std::span<const OpRow> compare_rows() {
  return compare::kRows;
}

}  // namespace
}  // namespace sterna::STERNA_OPS_NAMESPACE::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
