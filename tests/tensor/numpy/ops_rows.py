"""Element-wise functions. What is expected of functions with fractions is computed one precision higher and rounded, since
NumPy's own may be several units in the last place off."""

import math

import numpy as np

from harness import ALL, DTYPES, EXACT, FLOATS, WITHOUT_BOOL, Close, Ulp, row, to_bf16
from precision import float_of, wider

SAME_VALUE = Ulp(0)  # either zero
# Half floats are computed in F32 and rounded, which may land beside what rounding the exact value gives.
FRACTIONS = {"f64": Ulp(2), "f32": Ulp(2), "f16": Ulp(1), "bf16": Ulp(1), None: Ulp(2)}


def partner(g, dtype: str) -> str:
    """The type of the other operand: mostly the same, else any; BF16 meets only BF16 among those NumPy would round."""
    if g.chance(0.6):
        return dtype
    return g.choice([name for name in DTYPES if name != "bf16"] if dtype != "bf16" else ["bf16", "i8", "u8", "bool", "i16", "i32"])


def numbers_for(dtype: str):
    """Numbers beside a tensor that every version of NumPy promotes alike."""
    if dtype == "bool":
        return [True, False]
    if DTYPES[dtype] in (np.uint8, np.uint16, np.uint32, np.uint64):
        return [0, 1, 3, 7]
    return [0, 1, 2, 3, -1, -2] if np.dtype(DTYPES[dtype]).kind == "i" else [0, 2, -3, 0.5, -1.25, 3.0]


def common(*operands):
    """The operands in their common type; numbers take the arrays' type."""
    kind = np.result_type(*(each.dtype for each in operands if isinstance(each, np.ndarray)))
    return [np.asarray(each, kind) if isinstance(each, np.ndarray) else np.asarray(each).astype(kind) for each in operands]


def pair(g, dtype):
    """Arguments, and NumPy's two operands in their common type. Shapes broadcast, or now and then do not."""
    a = g.array(dtype)
    if g.chance(0.15):
        b = g.choice(numbers_for(dtype))
        return [a, b] if g.chance(0.7) else [b, a], {}
    other = partner(g, dtype)
    shape = g.shape() if g.chance(0.05) else g.broadcastable(a.shape)
    b = g.array(other, shape=shape)
    options = {"f32": True} if dtype == "bf16" and other in ("i16", "u16", "f16", "f32") else {}
    return [a, b] if g.chance(0.7) else [b, a], options


def arrays(args):
    return [each.np if hasattr(each, "np") else each for each in args]


def in_place(function, target, *others):
    """NumPy's out= with BF16's rounding, on operands read before anything is written."""
    result = function(target.np, *others)
    if not np.can_cast(result.dtype, target.np.dtype, "same_kind") or result.shape != target.np.shape:
        raise TypeError(f"{result.dtype} {result.shape} does not go into {target.np.dtype} {target.np.shape}")
    with np.errstate(all="ignore"):
        stored = result.astype(target.np.dtype)
    target.np[...] = to_bf16(stored) if target.dtype == "bf16" else stored
    return target.np.copy()


def register_binary(name, function, tolerance=EXACT, dtypes=ALL, with_in_place=True):
    def of_common(*operands):
        return function(*common(*operands))

    def generate(g, dtype):
        args, options = pair(g, dtype)
        return args, lambda: of_common(*arrays(args)), options
    row(name, dtypes=dtypes, tolerance=tolerance)(generate)

    def generate_in_place(g, dtype):
        a = g.array(dtype, mutable=True)
        if g.chance(0.2):
            b = g.choice(numbers_for(dtype))
        elif g.chance(0.3):
            b = g.alias(a)
        else:
            b = g.array(partner(g, dtype), shape=g.broadcastable(a.shape))
        return [a, b], lambda: in_place(of_common, a, *arrays([b]))
    if with_in_place:
        row(name + "_", dtypes=dtypes, tolerance=tolerance)(generate_in_place)


def register_unary(name, function, tolerance=EXACT, dtypes=ALL, with_in_place=True):
    def generate(g, dtype):
        a = g.array(dtype)
        return [a], lambda: function(a.np)
    row(name, dtypes=dtypes, tolerance=tolerance)(generate)

    def generate_in_place(g, dtype):
        a = g.array(dtype, mutable=True)
        return [a], lambda: in_place(function, a)
    if with_in_place:
        row(name + "_", dtypes=dtypes, tolerance=tolerance)(generate_in_place)


def fractions(function):
    """A function of any number of operands of one type, computed one precision higher, giving the float type."""
    def rounded(*operands):
        kind = float_of(operands[0].dtype)
        with np.errstate(all="ignore"):
            return np.asarray(function(*(wider(each.astype(kind)) for each in operands))).astype(kind)
    return rounded


def in_floats(function):
    return lambda *operands: function(*(each.astype(float_of(each.dtype)) for each in operands))


def without_bool(function):
    """NumPy has no loop for Bool but casts it to I8."""
    return lambda *operands: function(*(each.astype(np.int8) if each.dtype == bool else each for each in operands))


def reciprocal(x):
    if x.dtype.kind == "f":
        return np.reciprocal(x)
    x = x.astype(np.int8) if x.dtype == bool else x
    return np.where(x == 0, 0, np.reciprocal(np.where(x == 0, 1, x))).astype(x.dtype)  # 1/0 is whatever C gives


# Of two or of one operand, exact.
for name in ("add", "subtract", "multiply", "divide", "bitwise_and", "bitwise_or", "bitwise_xor"):
    register_binary(name, getattr(np, name))
for name in ("floor_divide", "remainder", "fmod", "left_shift", "right_shift"):
    register_binary(name, without_bool(getattr(np, name)))
for name in ("maximum", "minimum", "fmax", "fmin"):
    register_binary(name, getattr(np, name), SAME_VALUE)
for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
    register_binary(name, getattr(np, name), with_in_place=False)
for name in ("logical_and", "logical_or", "logical_xor"):
    register_binary(name, getattr(np, name))
for name in ("positive", "negative", "absolute", "invert"):
    register_unary(name, getattr(np, name), with_in_place=name != "positive")
register_unary("sign", np.sign, SAME_VALUE)
register_unary("square", without_bool(np.square))
register_unary("reciprocal", reciprocal)
for name in ("floor", "ceil", "trunc", "rint"):
    register_unary(name, in_floats(getattr(np, name)))
register_unary("sqrt", in_floats(np.sqrt))
register_unary("logical_not", np.logical_not)
for name in ("isnan", "isinf", "isfinite"):
    register_unary(name, getattr(np, name), with_in_place=False)
register_unary("signbit", in_floats(np.signbit), with_in_place=False)
register_binary("copysign", in_floats(np.copysign))



def round_integers(x, decimals):
    """Exact, where NumPy's goes through float64, and wrapped, where what NumPy's gives is up to the machine."""
    step = 10 ** max(0, -decimals)
    info = np.iinfo(x.dtype)

    def one(value):
        whole, rest = divmod(value, step)
        return (whole + (2 * rest > step or (2 * rest == step and whole % 2))) * step
    exact = [one(int(value)) for value in x.ravel()]
    wrapped = [(value - int(info.min)) % (int(info.max) - int(info.min) + 1) + int(info.min) for value in exact]
    for numpys, value, kept in zip(np.round(x, decimals).ravel(), exact, wrapped):  # NumPy's own, where it is exact
        assert abs(value) >= 2 ** 52 or value != kept or numpys == value, (x, decimals)
    return np.array(wrapped, x.dtype).reshape(x.shape)


@row("round", dtypes=WITHOUT_BOOL)
def round_to_decimals(g, dtype):
    a = g.array(dtype)
    if a.np.dtype.kind != "f":
        decimals = g.choice([-1, -1, -2, -3, g.integer(-21, 3)])
        return [a, decimals], lambda: round_integers(a.np, decimals)
    decimals = g.integer(-6, 8)  # powers of ten that float32 holds
    wide = a.np.astype(np.float32) if dtype == "f16" else a.np

    def rounded():
        with np.errstate(all="ignore"):
            return np.asarray(np.round(wide, decimals)).astype(a.np.dtype)
    return [a, decimals], rounded


# With fractions.
for name in ("exp", "log", "sin", "cos", "tanh"):
    register_unary(name, fractions(getattr(np, name)), FRACTIONS)
for name in ("cbrt", "exp2", "expm1", "log2", "log10", "log1p", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh",
             "arcsinh", "arccosh", "arctanh"):
    register_unary(name, fractions(getattr(np, name)), FRACTIONS)
register_unary("erf", fractions(lambda x: np.vectorize(math.erf, otypes=[np.float64])(x)), FRACTIONS)
for name in ("arctan2", "hypot"):
    register_binary(name, fractions(getattr(np, name)), FRACTIONS)
register_binary("logaddexp", fractions(np.logaddexp), {"f64": Close(1e-15, 1e-15), "f16": Close(1e-3, 1e-3), "bf16": Close(1e-2, 1e-2),
                                                       "f32": Close(2e-7, 2e-7), None: Close(1e-3, 1e-3)})


def power(a, b):
    if a.dtype.kind != "f":
        return without_bool(np.power)(a, b)
    return fractions(np.power)(*(each.copy() for each in np.broadcast_arrays(a, b)))  # without shortcuts for some exponents


register_binary("power", power, FRACTIONS)


# Activations.
def relu(x):
    x = x.astype(np.int8) if x.dtype == bool else x
    return np.where(x < 0, x.dtype.type(0), x)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def gelu(x):
    return 0.5 * x * np.vectorize(math.erfc, otypes=[np.float64])(x * -math.sqrt(0.5))


def gelu_tanh(x):
    return x * sigmoid(2 * np.sqrt(2 / np.arccos(x.dtype.type(-1))) * (x + x.dtype.type("0.044715") * x * x * x))


# In F64 the argument of e^… is rounded, which its size multiplies; the reference of gelu has no more than F64 either.
TAILS = {"f64": Close(1e-13, 1e-15), "f32": Ulp(1), "f16": Ulp(1), "bf16": Ulp(1), None: Close(1e-3, 1e-15)}
register_unary("relu", relu, SAME_VALUE)
register_unary("relu2", lambda x: np.square(relu(x)))
register_unary("sigmoid", fractions(sigmoid), FRACTIONS)
register_unary("silu", fractions(lambda x: x * sigmoid(x)), FRACTIONS)
register_unary("gelu", fractions(gelu), TAILS)
register_unary("gelu_tanh", fractions(gelu_tanh), TAILS)


def register_softmax(name, function, tolerance):
    def along(x, axis):
        kind = float_of(x.dtype)
        computed = np.float32 if kind == np.float16 else kind
        x = x.astype(computed)
        if x.ndim == 0:
            raise ValueError("a scalar has no axis")
        if x.shape[axis] == 0:
            return x.astype(kind)
        with np.errstate(all="ignore"):
            return function(wider(x - x.max(axis=axis, keepdims=True)), axis).astype(kind)

    def generate(g, dtype):
        a = g.array(dtype, values=g.choice(("plain", "small")))
        axis = g.axis(a)
        return [a, axis], lambda: along(a.np, axis)
    row(name, tolerance=tolerance)(generate)

    def generate_in_place(g, dtype):
        a = g.array(dtype, mutable=True, values=g.choice(("plain", "small")))
        axis = g.axis(a)
        return [a, axis], lambda: in_place(lambda x: along(x, axis), a)
    row(name + "_", tolerance=tolerance)(generate_in_place)


register_softmax("softmax", lambda d, axis: np.exp(d) / np.exp(d).sum(axis=axis, keepdims=True),
                 {"f16": Ulp(1), "bf16": Ulp(1), None: Ulp(3)})
# Of half floats one unit in the last place, 2^-10 and 2^-7 of a value: an error in the last bit of float32 can tip a rounding.
register_softmax("log_softmax", lambda d, axis: d - np.log(np.exp(d).sum(axis=axis, keepdims=True)),
                 {"f64": Close(3e-16, 3e-16), "f32": Close(2e-7, 2e-7), "bf16": Close(8e-3, 1e-7),
                  None: Close(1e-3, 1e-7)})


# Three operands.
def register_clip(name, mutable):
    @row(name, tolerance=SAME_VALUE, dtypes=[d for d in ALL if d != "bool"])
    def generate(g, dtype):
        a = g.array(dtype, mutable=mutable)
        bounds = [g.choice(numbers_for(dtype)) if g.chance(0.4) else g.array(dtype, shape=g.broadcastable(a.shape)) for _ in range(2)]

        def clip(x, low, high):
            x, low, high = common(x, low, high)
            return np.minimum(np.maximum(x, low), high)
        if mutable:
            return [a, *bounds], lambda: in_place(clip, a, *arrays(bounds))
        return [a, *bounds], lambda: clip(*arrays([a, *bounds]))


register_clip("clip", False)
register_clip("clip_", True)


@row("where")
def where(g, dtype):
    args, options = pair(g, dtype)
    shapes = [each.shape for each in args if hasattr(each, "shape")]
    condition = g.array(g.choice(ALL), shape=g.broadcastable(max(shapes, key=len)))
    return [condition, *args], lambda: np.where(condition.np != 0, *common(*arrays(args))), options


@row("quantize_i8", dtypes=FLOATS)
def quantize_i8(g, dtype):
    a = g.array(dtype)
    scale = g.choice([0.5, 1.0, 3.25, 127.0])

    def quantize():
        x = a.np.astype(np.float32) * np.float32(scale)
        return np.where(np.isnan(x), -128, np.clip(np.rint(x), -128, 127)).astype(np.int8)
    return [a, scale], quantize
