"""Ordering, searching, and sums along the way."""

import numpy as np

from harness import DTYPES, Generator, row, to_bf16


@row("sort")
def sort(g: Generator, dtype):
    a = g.array(dtype)
    axis = g.maybe_axis(a)
    return [a, axis], lambda: np.sort(a.np, axis, kind="stable")


@row("argsort")
def argsort(g, dtype):
    a = g.array(dtype)
    axis = g.maybe_axis(a)
    return [a, axis], lambda: np.argsort(a.np, axis, kind="stable").astype(np.int64)


@row("topk")
def topk(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 4))
    axis, largest = g.axis(a), g.chance(0.5)
    count = g.integer(0, a.shape[axis]) if g.chance(0.98) else a.shape[axis] + 1

    def reference():
        length = a.shape[axis]
        if count > length:
            raise ValueError("count")
        if largest:  # sorted backwards, so that of equal elements the first comes last, and read backwards
            order = length - 1 - np.argsort(np.flip(a.np, axis), axis, kind="stable")
            order = np.flip(order, axis)
        else:
            order = np.argsort(a.np, axis, kind="stable")
        order = np.take(order, np.arange(count), axis).astype(np.int64)
        return [np.take_along_axis(a.np, order, axis), order]
    return [a, count, axis, largest], reference


@row("unique")
def unique(g, dtype):
    a = g.array(dtype)

    def reference():
        values, index, inverse, counts = np.unique(a.np, return_index=True, return_inverse=True, return_counts=True)
        return [values, index, inverse.reshape(a.shape), counts]
    return [a], reference


@row("searchsorted")
def searchsorted(g, dtype):
    values = g.values(dtype)
    ordered = g.given(np.sort(g.array(dtype, rank=1, values=values).np), dtype)
    other = g.choice([d for d in DTYPES if d != "bf16"]) if dtype != "bf16" and g.chance(0.15) else dtype
    wanted = g.array(other, values=values if other == dtype else "small")
    right = g.chance(0.5)

    def reference():
        common = np.result_type(ordered.np, wanted.np.dtype)
        return np.searchsorted(ordered.np.astype(common), wanted.np.astype(common), "right" if right else "left").astype(np.int64)
    return [ordered, wanted, right], reference


@row("cumsum")
def cumsum(g, dtype):
    a = g.array(dtype)
    axis = g.maybe_axis(a)
    if dtype == "bf16":
        def rounded():
            values = a.np.ravel() if axis is None else np.moveaxis(a.np, axis, -1)
            sums = values.copy()
            for k in range(1, values.shape[-1]):
                sums[..., k] = to_bf16(sums[..., k - 1] + values[..., k]).reshape(sums.shape[:-1])
            return sums if axis is None else np.moveaxis(sums, -1, axis)
        return [a, axis, None], rounded
    wider = g.choice((None, None, "f64", "i64")) if dtype[0] in "iu" else None
    return [a, axis, wider], lambda: np.cumsum(a.np, axis, None if wider is None else DTYPES[wider])
