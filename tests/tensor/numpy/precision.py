"""Types that references compute in."""

import numpy as np


def float_of(dtype: np.dtype) -> np.dtype:
    """The float type that functions with fractions give."""
    if dtype.kind == "f":
        return dtype
    return np.dtype({1: np.float16, 2: np.float32}.get(dtype.itemsize, np.float64))


def wider(values: np.ndarray) -> np.ndarray:
    return values.astype(np.longdouble if values.dtype == np.float64 else np.float64)
