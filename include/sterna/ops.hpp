// Operations on tensors: element by element with broadcasting, and reductions over axes.
//
// Names, results and special values are NumPy's. In short:
//
// Broadcasting. Shapes are aligned at their last axes; an axis of length 1 or a missing one is repeated.
// Shapes that do not fit are an Error(Mismatch) that names the operation and the shapes.
//
// Types. Two tensors meet in NumPy's common type: the larger of two integers, I16 for I8 and U8, F64 for I64
// and U64, a float that holds an integer's every value (F32 for F16 and I16, F64 for anything and I32). Every
// 8-bit integer fits BF16; F16 and BF16 meet in F32. Functions with fractions (exp, sqrt, sin …) give F16 for
// 8-bit integers and Bool, F32 for 16-bit ones, F64 for others; `divide` of integers gives F64. A number
// beside a tensor is weak, as in NumPy 2: it takes the tensor's type, only a fraction beside an integer
// tensor gives F64, an integer beside Bool I64; an integer that the tensor's type cannot hold is an
// Error(InvalidArgument). F16 and BF16 are computed in F32 and rounded once. An operation on a type it has no
// meaning for is an Error(Unsupported), and so are the packed types.
//
// Integers wrap around. Division of integers by zero gives 0. Floats follow IEEE 754; no floating-point
// exception is reported. Addition, subtraction, multiplication, division, sqrt and rounding are exact to the
// last bit, other functions within 2 units in the last place of the true value (F64's sigmoid, silu and gelu
// where that is a normal number). exp, log, tanh and the activations in F32 have the same bits on every
// machine.
//
// Results are new tensors, contiguous in C order. A function whose name ends in `_` writes into its first
// operand instead, which others may be broadcast to but which is never resized; the result is converted to
// its type where that is of the same kind (F64 to F32, I64 to I8, but no float to an integer and no integer
// to Bool: Error(InvalidArgument)). Operands may overlap in memory in any way: the result is as if every
// operand were read before anything is written.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "sterna/tensor.hpp"

namespace sterna {

/// A tensor, or a number that takes on the type of the tensor beside it. Lives for a call: it refers to the
/// tensor.
class Operand {
 public:
  // NOLINTBEGIN(google-explicit-constructor): made to be converted to
  Operand(const Tensor& tensor) noexcept : tensor_(&tensor) {}
  Operand(Scalar number) noexcept : number_(number) {}
  template <class T>
  requires std::is_arithmetic_v<T> Operand(T number)
  noexcept : number_(number) {}
  // NOLINTEND(google-explicit-constructor)

  /// Null for a number.
  const Tensor* tensor() const noexcept { return tensor_; }
  const Scalar& number() const noexcept { return number_; }

 private:
  const Tensor* tensor_ = nullptr;
  Scalar number_ = 0;
};

/// The type that tensors of two types meet in. Error(Unsupported) for packed types.
DType result_type(DType a, DType b);

// ---- arithmetic
// -----------------------------------------------------------------------------------------------------

Tensor add(const Operand& a, const Operand& b);           ///< a + b; of Bool: or
Tensor subtract(const Operand& a, const Operand& b);      ///< a − b; not of Bool
Tensor multiply(const Operand& a, const Operand& b);      ///< a·b; of Bool: and
Tensor divide(const Operand& a, const Operand& b);        ///< a / b, always in floats
Tensor floor_divide(const Operand& a, const Operand& b);  ///< ⌊a / b⌋
Tensor remainder(const Operand& a, const Operand& b);     ///< a − ⌊a / b⌋·b, with the sign of b
Tensor fmod(const Operand& a, const Operand& b);          ///< the remainder with the sign of a
/// a^b. Integers to a negative integer are an Error(InvalidArgument).
Tensor power(const Operand& a, const Operand& b);
Tensor maximum(const Operand& a, const Operand& b);    ///< the larger; NaN where one is NaN
Tensor minimum(const Operand& a, const Operand& b);    ///< the smaller; NaN where one is NaN
Tensor fmax(const Operand& a, const Operand& b);       ///< the larger; the number where the other is NaN
Tensor fmin(const Operand& a, const Operand& b);       ///< the smaller; the number where the other is NaN
Tensor arctan2(const Operand& y, const Operand& x);    ///< the angle of (x, y), in (−π, π]
Tensor hypot(const Operand& a, const Operand& b);      ///< √(a² + b²) without overflow on the way
Tensor logaddexp(const Operand& a, const Operand& b);  ///< ln(e^a + e^b)
Tensor copysign(const Operand& a, const Operand& b);   ///< |a| with the sign of b
/// minimum(maximum(x, low), high), so `high` where low > high.
Tensor clip(const Operand& x, const Operand& low, const Operand& high);

Tensor positive(const Operand& x);    ///< x
Tensor negative(const Operand& x);    ///< −x; not of Bool
Tensor absolute(const Operand& x);    ///< |x|; the most negative integer stays itself
Tensor sign(const Operand& x);        ///< −1, 0 or 1; NaN stays; not of Bool
Tensor square(const Operand& x);      ///< x²
Tensor reciprocal(const Operand& x);  ///< 1/x; of integers rounded to zero, and 0 for 0
Tensor sqrt(const Operand& x);        ///< √x
Tensor cbrt(const Operand& x);        ///< ∛x
Tensor floor(const Operand& x);       ///< to a whole number: down …
Tensor ceil(const Operand& x);        ///< … up …
Tensor trunc(const Operand& x);       ///< … towards zero …
Tensor rint(const Operand& x);        ///< … to the nearest, halves to even; all four give floats
/// To `decimals` places behind the point, before it where negative, halves to even; not of Bool. A float is
/// rint(x·10^decimals) / 10^decimals, each step rounded to its type (of F16 and BF16 to F32), so that where
/// the product has no room the result is NumPy's: infinity or NaN. An integer stays itself for decimals ≥ 0,
/// else becomes the nearest multiple of 10^−decimals, exact in every type, where NumPy goes through F64, and
/// wrapped.
Tensor round(const Tensor& x, int decimals = 0);

Tensor exp(const Operand& x);    ///< e^x
Tensor exp2(const Operand& x);   ///< 2^x
Tensor expm1(const Operand& x);  ///< e^x − 1
Tensor log(const Operand& x);    ///< ln x
Tensor log2(const Operand& x);
Tensor log10(const Operand& x);
Tensor log1p(const Operand& x);  ///< ln(1 + x)
Tensor sin(const Operand& x);    ///< angles in radians
Tensor cos(const Operand& x);
Tensor tan(const Operand& x);
Tensor arcsin(const Operand& x);
Tensor arccos(const Operand& x);
Tensor arctan(const Operand& x);
Tensor sinh(const Operand& x);
Tensor cosh(const Operand& x);
Tensor tanh(const Operand& x);
Tensor arcsinh(const Operand& x);
Tensor arccosh(const Operand& x);
Tensor arctanh(const Operand& x);
Tensor erf(const Operand& x);  ///< 2/√π · ∫₀ˣ e^−t² dt

// ---- comparison, logic, bits
// ----------------------------------------------------------------------------------------

Tensor equal(const Operand& a, const Operand& b);  ///< Bool; NaN equals nothing
Tensor not_equal(const Operand& a, const Operand& b);
Tensor less(const Operand& a, const Operand& b);
Tensor less_equal(const Operand& a, const Operand& b);
Tensor greater(const Operand& a, const Operand& b);
Tensor greater_equal(const Operand& a, const Operand& b);

Tensor logical_and(const Operand& a,
                   const Operand& b);  ///< of truth: whether an element differs from 0; gives Bool
Tensor logical_or(const Operand& a, const Operand& b);
Tensor logical_xor(const Operand& a, const Operand& b);
Tensor logical_not(const Operand& x);

Tensor bitwise_and(const Operand& a, const Operand& b);  ///< integers and Bool
Tensor bitwise_or(const Operand& a, const Operand& b);
Tensor bitwise_xor(const Operand& a, const Operand& b);
Tensor invert(const Operand& x);                        ///< ~x; of Bool: not
Tensor left_shift(const Operand& a, const Operand& b);  ///< a·2^b; 0 when b is the width or more, or negative
Tensor right_shift(const Operand& a,
                   const Operand& b);  ///< ⌊a / 2^b⌋; 0 or −1 when b is the width or more, or negative

Tensor isnan(const Operand& x);  ///< Bool
Tensor isinf(const Operand& x);
Tensor isfinite(const Operand& x);
Tensor signbit(const Operand& x);  ///< whether the sign is minus, of −0 and NaN too

/// `a` where the condition differs from 0, else `b`.
Tensor where(const Operand& condition, const Operand& a, const Operand& b);

// ---- activations
// ----------------------------------------------------------------------------------------------------

Tensor relu(const Operand& x);     ///< max(x, 0)
Tensor relu2(const Operand& x);    ///< max(x, 0)²
Tensor sigmoid(const Operand& x);  ///< σ(x) = 1/(1 + e^−x)
Tensor silu(const Operand& x);     ///< x·σ(x); NaN for −∞, as the product is
Tensor gelu(const Operand& x);  ///< x·Φ(x) = x/2·(1 + erf(x/√2)) (Hendrycks & Gimpel 2016); NaN for −∞
Tensor gelu_tanh(const Operand& x);  ///< x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))); NaN for −∞
/// e^(x − max) / Σ e^(x − max) along the axis (negative: from the last), in floats.
Tensor softmax(const Tensor& x, std::int64_t axis = -1);
/// x − max − ln Σ e^(x − max) along the axis.
Tensor log_softmax(const Tensor& x, std::int64_t axis = -1);

/// I8: x·scale rounded, halves to even, saturated to [−128, 127]; −128 for NaN. As the engine quantises
/// activations.
Tensor quantize_i8(const Operand& x, const Operand& scale);

// ---- in place: the first operand becomes the result, and is returned
// ------------------------------------------------

Tensor add_(const Tensor& a, const Operand& b);
Tensor subtract_(const Tensor& a, const Operand& b);
Tensor multiply_(const Tensor& a, const Operand& b);
Tensor divide_(const Tensor& a, const Operand& b);
Tensor floor_divide_(const Tensor& a, const Operand& b);
Tensor remainder_(const Tensor& a, const Operand& b);
Tensor fmod_(const Tensor& a, const Operand& b);
Tensor power_(const Tensor& a, const Operand& b);
Tensor maximum_(const Tensor& a, const Operand& b);
Tensor minimum_(const Tensor& a, const Operand& b);
Tensor fmax_(const Tensor& a, const Operand& b);
Tensor fmin_(const Tensor& a, const Operand& b);
Tensor copysign_(const Tensor& a, const Operand& b);
Tensor arctan2_(const Tensor& y, const Operand& x);
Tensor hypot_(const Tensor& a, const Operand& b);
Tensor logaddexp_(const Tensor& a, const Operand& b);
Tensor clip_(const Tensor& x, const Operand& low, const Operand& high);
Tensor logical_and_(const Tensor& a, const Operand& b);  ///< 0 or 1 in the type of `a`
Tensor logical_or_(const Tensor& a, const Operand& b);
Tensor logical_xor_(const Tensor& a, const Operand& b);
Tensor logical_not_(const Tensor& x);
Tensor bitwise_and_(const Tensor& a, const Operand& b);
Tensor bitwise_or_(const Tensor& a, const Operand& b);
Tensor bitwise_xor_(const Tensor& a, const Operand& b);
Tensor left_shift_(const Tensor& a, const Operand& b);
Tensor right_shift_(const Tensor& a, const Operand& b);
Tensor negative_(const Tensor& x);
Tensor absolute_(const Tensor& x);
Tensor sign_(const Tensor& x);
Tensor square_(const Tensor& x);
Tensor reciprocal_(const Tensor& x);
Tensor sqrt_(const Tensor& x);
Tensor cbrt_(const Tensor& x);
Tensor floor_(const Tensor& x);
Tensor ceil_(const Tensor& x);
Tensor trunc_(const Tensor& x);
Tensor rint_(const Tensor& x);
Tensor exp_(const Tensor& x);
Tensor exp2_(const Tensor& x);
Tensor expm1_(const Tensor& x);
Tensor log_(const Tensor& x);
Tensor log2_(const Tensor& x);
Tensor log10_(const Tensor& x);
Tensor log1p_(const Tensor& x);
Tensor sin_(const Tensor& x);
Tensor cos_(const Tensor& x);
Tensor tan_(const Tensor& x);
Tensor arcsin_(const Tensor& x);
Tensor arccos_(const Tensor& x);
Tensor arctan_(const Tensor& x);
Tensor sinh_(const Tensor& x);
Tensor cosh_(const Tensor& x);
Tensor tanh_(const Tensor& x);
Tensor arcsinh_(const Tensor& x);
Tensor arccosh_(const Tensor& x);
Tensor arctanh_(const Tensor& x);
Tensor erf_(const Tensor& x);
Tensor invert_(const Tensor& x);
Tensor relu_(const Tensor& x);
Tensor relu2_(const Tensor& x);
Tensor sigmoid_(const Tensor& x);
Tensor silu_(const Tensor& x);
Tensor gelu_(const Tensor& x);
Tensor gelu_tanh_(const Tensor& x);
Tensor softmax_(const Tensor& x, std::int64_t axis = -1);
Tensor log_softmax_(const Tensor& x, std::int64_t axis = -1);

// ---- reductions
// -----------------------------------------------------------------------------------------------------

/// Which axes a reduction removes: all of them unless some are given; negative ones count from the last. An
/// axis that the tensor has not, or one given twice, is an Error(InvalidArgument).
class ReducedAxes {
 public:
  // NOLINTBEGIN(google-explicit-constructor): made to be converted to
  ReducedAxes() noexcept = default;
  template <std::integral T>
  ReducedAxes(T axis) : list_(Axes{static_cast<std::int64_t>(axis)}) {}
  ReducedAxes(std::initializer_list<std::int64_t> axes) : list_(Axes(axes)) {}
  ReducedAxes(Axes axes) noexcept : list_(std::move(axes)) {}
  // NOLINTEND(google-explicit-constructor)

  /// Nothing: all.
  const std::optional<Axes>& list() const noexcept { return list_; }

 private:
  std::optional<Axes> list_;
};

// With `keepdims` the axes stay, of length 1. Sums of floats have an error of at most one rounding of the
// result plus n·2^−53·Σ|x| for F32 and the half floats (added in double), n²·2^−106·Σ|x| for F64 (with the
// lost parts added beside), and the same bits on every machine, whatever the layout.

/// Σx in I64, U64 or the float type; 0 of nothing.
Tensor sum(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
/// Πx in I64, U64 or the float type; 1 of nothing. Floats are multiplied in double from the first to the
/// last.
Tensor prod(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
/// Σx/n, in F64 for integers; NaN of nothing.
Tensor mean(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
/// Σ(x − mean)²/(n − ddof), in F64 for integers; NaN or infinity when n ≤ ddof.
Tensor var(const Tensor& x, const ReducedAxes& axes = {}, double ddof = 0, bool keepdims = false);
/// √var.
Tensor std(const Tensor& x, const ReducedAxes& axes = {}, double ddof = 0, bool keepdims = false);
/// The extreme; NaN when one is among them. Error(InvalidArgument) of nothing.
Tensor max(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
Tensor min(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
/// Whether one or every element differs from 0.
Tensor any(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
Tensor all(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
/// How many differ from 0, in I64.
Tensor count_nonzero(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
/// Where the first extreme (or the first NaN) is along the axis, or in C order without one; I64. Error of
/// nothing.
Tensor argmax(const Tensor& x, std::optional<std::int64_t> axis = {}, bool keepdims = false);
Tensor argmin(const Tensor& x, std::optional<std::int64_t> axis = {}, bool keepdims = false);
/// The middle element, or the mean of the two; NaN when one is among them, or of nothing. F64 for integers.
Tensor median(const Tensor& x, const ReducedAxes& axes = {}, bool keepdims = false);
/// The element at q·(n − 1) of the sorted ones, interpolated linearly; 0 ≤ q ≤ 1. NaN when one is among them,
/// or of nothing. F64 for integers.
Tensor quantile(const Tensor& x, double q, const ReducedAxes& axes = {}, bool keepdims = false);
/// The same for several q: the result's first axis is theirs.
Tensor quantile(const Tensor& x, std::span<const double> q, const ReducedAxes& axes = {},
                bool keepdims = false);
/// (Σ|x|^order)^(1/order) over all elements of the axes (for matrices and 2: Frobenius); the largest |x| for
/// infinity, the smallest for −infinity, how many differ from 0 for 0. F64 for integers.
Tensor norm(const Tensor& x, double order = 2, const ReducedAxes& axes = {}, bool keepdims = false);

}  // namespace sterna
