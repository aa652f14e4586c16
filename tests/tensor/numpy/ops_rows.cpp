// Element-wise functions and reductions.
#include <cmath>

#include "rows.hpp"
#include "sterna/ops.hpp"

namespace sterna::numpy_test {
namespace {

/// A tensor or a number.
Operand operand(const Args& a, std::size_t i) {
  try {
    return a.tensor(i);
  } catch (const std::bad_variant_access&) {
    return a.scalar(i);
  }
}

ReducedAxes axes(const Args& a, std::size_t i) {
  const std::optional<Axes> given = a.maybe_axes(i);
  return given ? ReducedAxes(*given) : ReducedAxes();
}

#define UNARY(name)                                                       \
  {                                                                       \
#name, [](const Args& a) -> Outputs { return {name(operand(a, 0))}; } \
  }
#define BINARY(name)                                                                     \
  {                                                                                      \
#name, [](const Args& a) -> Outputs { return {name(operand(a, 0), operand(a, 1))}; } \
  }
#define UNARY_IN_PLACE(name)                                                   \
  UNARY(name), {                                                               \
#name "_", [](const Args& a) -> Outputs { return {name##_(a.tensor(0))}; } \
  }
#define BINARY_IN_PLACE(name)                                                                 \
  BINARY(name), {                                                                             \
#name "_", [](const Args& a) -> Outputs { return {name##_(a.tensor(0), operand(a, 1))}; } \
  }
#define REDUCTION(name)                                                                        \
  {                                                                                            \
#name, [](const Args& a) -> Outputs { return {name(a.tensor(0), axes(a, 1), a.flag(2))}; } \
  }

const Rows kElementwise{
    BINARY_IN_PLACE(add),
    BINARY_IN_PLACE(subtract),
    BINARY_IN_PLACE(multiply),
    BINARY_IN_PLACE(divide),
    BINARY_IN_PLACE(floor_divide),
    BINARY_IN_PLACE(remainder),
    BINARY_IN_PLACE(fmod),
    BINARY_IN_PLACE(power),
    BINARY_IN_PLACE(maximum),
    BINARY_IN_PLACE(minimum),
    BINARY_IN_PLACE(fmax),
    BINARY_IN_PLACE(fmin),
    BINARY_IN_PLACE(copysign),
    BINARY_IN_PLACE(arctan2),
    BINARY_IN_PLACE(hypot),
    BINARY_IN_PLACE(logaddexp),
    UNARY(positive),
    UNARY_IN_PLACE(negative),
    UNARY_IN_PLACE(absolute),
    UNARY_IN_PLACE(sign),
    UNARY_IN_PLACE(square),
    UNARY_IN_PLACE(reciprocal),
    UNARY_IN_PLACE(sqrt),
    UNARY_IN_PLACE(floor),
    UNARY_IN_PLACE(ceil),
    UNARY_IN_PLACE(trunc),
    UNARY_IN_PLACE(rint),
    UNARY_IN_PLACE(exp),
    UNARY_IN_PLACE(log),
    UNARY_IN_PLACE(sin),
    UNARY_IN_PLACE(cos),
    UNARY_IN_PLACE(tanh),
    UNARY_IN_PLACE(cbrt),
    UNARY_IN_PLACE(exp2),
    UNARY_IN_PLACE(expm1),
    UNARY_IN_PLACE(log2),
    UNARY_IN_PLACE(log10),
    UNARY_IN_PLACE(log1p),
    UNARY_IN_PLACE(tan),
    UNARY_IN_PLACE(arcsin),
    UNARY_IN_PLACE(arccos),
    UNARY_IN_PLACE(arctan),
    UNARY_IN_PLACE(sinh),
    UNARY_IN_PLACE(cosh),
    UNARY_IN_PLACE(arcsinh),
    UNARY_IN_PLACE(arccosh),
    UNARY_IN_PLACE(arctanh),
    UNARY_IN_PLACE(erf),
    BINARY(equal),
    BINARY(not_equal),
    BINARY(less),
    BINARY(less_equal),
    BINARY(greater),
    BINARY(greater_equal),
    BINARY_IN_PLACE(logical_and),
    BINARY_IN_PLACE(logical_or),
    BINARY_IN_PLACE(logical_xor),
    UNARY_IN_PLACE(logical_not),
    BINARY_IN_PLACE(bitwise_and),
    BINARY_IN_PLACE(bitwise_or),
    BINARY_IN_PLACE(bitwise_xor),
    BINARY_IN_PLACE(left_shift),
    BINARY_IN_PLACE(right_shift),
    UNARY_IN_PLACE(invert),
    UNARY(isnan),
    UNARY(isinf),
    UNARY(isfinite),
    UNARY(signbit),
    UNARY_IN_PLACE(relu),
    UNARY_IN_PLACE(relu2),
    UNARY_IN_PLACE(sigmoid),
    UNARY_IN_PLACE(silu),
    UNARY_IN_PLACE(gelu),
    UNARY_IN_PLACE(gelu_tanh),
    BINARY(quantize_i8),
    {"clip", [](const Args& a) -> Outputs { return {clip(operand(a, 0), operand(a, 1), operand(a, 2))}; }},
    {"clip_", [](const Args& a) -> Outputs { return {clip_(a.tensor(0), operand(a, 1), operand(a, 2))}; }},
    {"where", [](const Args& a) -> Outputs { return {where(operand(a, 0), operand(a, 1), operand(a, 2))}; }},
    {"round", [](const Args& a) -> Outputs { return {round(a.tensor(0), static_cast<int>(a.integer(1)))}; }},
    {"softmax", [](const Args& a) -> Outputs { return {softmax(a.tensor(0), a.integer(1))}; }},
    {"softmax_", [](const Args& a) -> Outputs { return {softmax_(a.tensor(0), a.integer(1))}; }},
    {"log_softmax", [](const Args& a) -> Outputs { return {log_softmax(a.tensor(0), a.integer(1))}; }},
    {"log_softmax_", [](const Args& a) -> Outputs { return {log_softmax_(a.tensor(0), a.integer(1))}; }},
};

const Rows kReductions{
    REDUCTION(sum),
    REDUCTION(prod),
    REDUCTION(mean),
    REDUCTION(max),
    REDUCTION(min),
    REDUCTION(any),
    REDUCTION(all),
    REDUCTION(count_nonzero),
    REDUCTION(median),
    {"var", [](const Args& a) -> Outputs { return {var(a.tensor(0), axes(a, 1), a.number(3), a.flag(2))}; }},
    {"std",
     [](const Args& a) -> Outputs { return {sterna::std(a.tensor(0), axes(a, 1), a.number(3), a.flag(2))}; }},
    {"norm",
     [](const Args& a) -> Outputs { return {norm(a.tensor(0), a.number(3), axes(a, 1), a.flag(2))}; }},
    {"quantile",
     [](const Args& a) -> Outputs {
       if (a.size() == 4) return {quantile(a.tensor(0), a.number(3), axes(a, 1), a.flag(2))};
       std::vector<double> q;
       for (std::size_t i = 3; i < a.size(); ++i) q.push_back(a.number(i));
       return {quantile(a.tensor(0), q, axes(a, 1), a.flag(2))};
     }},
    {"argmax", [](const Args& a) -> Outputs { return {argmax(a.tensor(0), a.maybe_axis(1), a.flag(2))}; }},
    {"argmin", [](const Args& a) -> Outputs { return {argmin(a.tensor(0), a.maybe_axis(1), a.flag(2))}; }},
};

}  // namespace
}  // namespace sterna::numpy_test
