"""Reductions. Sums of floats are expected as the sum in the next wider type gives them."""

import numpy as np

from harness import ALL, Close, Dims, Ulp, row
from precision import wider

SAME_VALUE = Ulp(0)
SUMS = {"f64": Close(5e-16, 1e-13), "f32": Close(1e-7, 1e-10), "f16": Ulp(1), "bf16": Ulp(1), None: Close(1e-15, 0)}


def axes_of(g, a):
    if g.chance(0.25):
        return None
    axes = g.axes(a)
    if a.shape and g.chance(0.02):
        axes = Dims((*axes, len(a.shape)))  # there is none
    return axes


def tuple_or_none(axes):
    return None if axes is None else tuple(axes)


def numbers(g, dtype):
    """Moderate numbers, now and then with infinities and NaN among them."""
    if dtype in ("f64", "f32", "f16") and g.chance(0.2):
        values = np.array([g.choice([0.5, -3.0, 7.25, 1.0]) for _ in range(24)])
        values[g.integer(0, 23)] = g.choice([np.inf, -np.inf, np.nan])
        if g.chance(0.3):
            values[g.integer(0, 23)] = g.choice([np.inf, -np.inf, np.nan])
        return g.given(values.reshape(g.choice([(24,), (4, 6), (2, 3, 4)])), dtype)
    return g.array(dtype, values=g.choice(("plain", "small")))


def register(name, function, tolerance, make=numbers, dtypes=ALL, extra=lambda g: []):
    @row(name, dtypes=dtypes, tolerance=tolerance)
    def generate(g, dtype):
        a = make(g, dtype)
        axes, keepdims, more = axes_of(g, a), g.chance(0.3), extra(g)
        return [a, axes, keepdims, *more], lambda: function(a.np, tuple_or_none(axes), keepdims, *more)


def any_values(g, dtype):
    return g.array(dtype)


def sum_type(x):
    """What integers are summed in; floats wider."""
    return np.uint64 if x.dtype.kind == "u" else np.int64


def summed(function):
    def reduce(x, axes, keepdims):
        if x.dtype.kind != "f":
            return function(x, axis=axes, dtype=sum_type(x), keepdims=keepdims)
        return np.asarray(function(wider(x), axis=axes, keepdims=keepdims)).astype(x.dtype)
    return reduce


def moment(function):
    """A reduction with fractions, computed one precision higher."""
    def reduce(x, axes, keepdims, *more):
        kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
        return np.asarray(function(wider(x.astype(kind)), axes, keepdims, *more)).astype(kind)
    return reduce


register("sum", summed(np.sum), SUMS)
register("prod", summed(np.prod), {"f64": Close(1e-13, 0), "f32": Ulp(1), "f16": Ulp(1), "bf16": Ulp(1)},
         make=lambda g, dtype: g.array(dtype, values="small"))
register("mean", moment(lambda x, axes, keepdims: np.mean(x, axis=axes, keepdims=keepdims)), SUMS)
register("var", moment(lambda x, axes, keepdims, ddof: np.var(x, axis=axes, ddof=ddof, keepdims=keepdims)), SUMS | {None: SUMS["f64"]},
         extra=lambda g: [g.choice([0.0, 0.0, 1.0, 0.5])])
register("std", moment(lambda x, axes, keepdims, ddof: np.std(x, axis=axes, ddof=ddof, keepdims=keepdims)), SUMS | {None: SUMS["f64"]},
         extra=lambda g: [g.choice([0.0, 0.0, 1.0, 0.5])])
register("max", lambda x, axes, keepdims: np.max(x, axis=axes, keepdims=keepdims), SAME_VALUE, make=any_values)
register("min", lambda x, axes, keepdims: np.min(x, axis=axes, keepdims=keepdims), SAME_VALUE, make=any_values)
register("any", lambda x, axes, keepdims: np.any(x, axis=axes, keepdims=keepdims), SAME_VALUE, make=any_values)
register("all", lambda x, axes, keepdims: np.all(x, axis=axes, keepdims=keepdims), SAME_VALUE, make=any_values)
register("count_nonzero", lambda x, axes, keepdims: np.count_nonzero(x, axis=axes, keepdims=keepdims), SAME_VALUE, make=any_values)


def norm(x, axes, keepdims, order):
    magnitude = np.abs(x)
    if order == 0:
        return np.sum(x != 0, axis=axes, keepdims=keepdims)
    if np.isinf(order):
        return (np.max if order > 0 else np.min)(magnitude, axis=axes, keepdims=keepdims)
    return np.sum(magnitude ** order, axis=axes, keepdims=keepdims) ** (1 / np.longdouble(order))


register("norm", moment(norm), {"f64": Close(1e-15, 1e-13), "f32": Close(2e-7, 1e-10), "f16": Ulp(1), "bf16": Ulp(1), None: Close(2e-15, 0)},
         make=lambda g, dtype: g.array(dtype, values=g.choice(("plain", "small"))),
         extra=lambda g: [g.choice([2.0, 2.0, 1.0, 0.0, 3.0, 1.5, np.inf, -np.inf])])


def register_order(name, function):
    def reduce(x, axes, keepdims, *more):
        if axes is not None and len(axes) == 0:
            x, axes = x[..., None], (-1,)  # NumPy takes no axes for all
            if keepdims:
                return np.asarray(function(x, axis=-1, keepdims=False, *more))
        count = np.sum(np.ones(x.shape), axis=axes, keepdims=keepdims)
        if np.size(count) == 0 or np.all(count == 0):  # of nothing: NaN, which NumPy leaves to its version
            leading = (len(more[0]),) if more and np.ndim(more[0]) else ()
            return np.full(leading + np.shape(count), np.nan)
        return function(x, *more, axis=axes, keepdims=keepdims)
    return moment(reduce)


register("median", register_order("median", np.median), {"f64": Ulp(1), "f32": Ulp(1), "f16": Ulp(1), "bf16": Ulp(1)})


@row("quantile", tolerance={"f64": Ulp(4), "f32": Ulp(1), "f16": Ulp(1), "bf16": Ulp(1), None: Ulp(4)})
def quantile(g, dtype):
    a = g.array(dtype, values=g.choice(("plain", "small")))
    axes, keepdims = axes_of(g, a), g.chance(0.3)
    q = [g.choice([0.0, 1.0, 0.5, 0.25, 0.9, g.random.random()]) for _ in range(g.choice([1, 1, 2, 3]))]
    function = register_order("quantile", lambda x, q, axis, keepdims: np.quantile(x.astype(np.float64), q, axis=axis, keepdims=keepdims))
    return [a, axes, keepdims, *q], lambda: function(a.np, tuple_or_none(axes), keepdims, q[0] if len(q) == 1 else q)


for name in ("argmax", "argmin"):
    @row(name)
    def arg(g, dtype, name=name):
        a = g.array(dtype)
        axis, keepdims = g.maybe_axis(a), g.chance(0.3)
        return [a, axis, keepdims], lambda: np.asarray(getattr(np, name)(a.np, axis=axis, keepdims=keepdims)).astype(np.int64)
