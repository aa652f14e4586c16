"""Types that references compute in, and how far from the exact result a float may be."""

import numpy as np

# Distance of 1 to the next number, of the type computed in and of the type of results; and the smallest numbers.
COMPUTED = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-23, "bf16": 2.0**-23}
ROUNDED = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bf16": 2.0**-7}
SMALLEST = {"float64": 0.0, "float32": 2.0**-149, "float16": 2.0**-24, "bf16": 2.0**-133}
LARGEST = {"float64": np.finfo(np.float64).max, "float32": np.finfo(np.float32).max, "float16": 65504.0, "bf16": 3.38e38}


def float_of(dtype: np.dtype) -> np.dtype:
    """The float type that functions with fractions give."""
    if dtype.kind == "f":
        return dtype
    return np.dtype({1: np.float16, 2: np.float32}.get(dtype.itemsize, np.float64))


def wider(values: np.ndarray) -> np.ndarray:
    return values.astype(np.longdouble if values.dtype == np.float64 else np.float64)


def within(found, exact, magnitude, kind, factor):
    """What is wrong unless |found − exact| ≤ factor·ε·magnitude, with ε of the type computed in, and a rounding to the type of
    the result. Infinity stands for what may be beyond the type; infinities and NaN of the exact result are required."""
    exact, found = np.asarray(exact, np.longdouble), np.asarray(found, np.longdouble)
    with np.errstate(all="ignore"):
        bound = factor * COMPUTED[kind] * np.asarray(magnitude, np.longdouble) + ROUNDED[kind] * np.abs(exact) + SMALLEST[kind]
        beyond = np.isinf(found) & (np.sign(found) == np.sign(exact)) & (np.abs(exact) + bound >= LARGEST[kind])
        near = (np.abs(found - exact) <= bound) | beyond
        same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    wrong = ~np.where(np.isfinite(exact), near, same)
    if not np.any(wrong):
        return None
    at = tuple(np.argwhere(np.atleast_1d(wrong))[0][:found.ndim])
    return f"{np.count_nonzero(wrong)} of {found.size} elements are beyond the bound, first at {at}: {found[at]!r}, exact {exact[at]!r}"


def finite_or_not(g, dtype, shape, special=(np.inf, -np.inf, np.nan, 0.0)):
    """Moderate numbers, in one case of ten with infinities and NaN among them; integers of any size."""
    if dtype not in ("f64", "f32", "f16", "bf16"):
        return g.array(dtype, shape=shape)
    a = g.array(dtype, shape=shape, values=g.choice(("plain", "small")))
    if a.np.size and g.chance(0.1):
        values = a.np.copy()
        for _ in range(g.integer(1, 3)):
            values.flat[g.integer(0, values.size - 1)] = g.choice(special)
        return g.given(values, dtype)
    return a
