"""Elements named by index tensors."""

import numpy as np

from harness import Generator, row


@row("take")
def take(g: Generator, dtype):
    a = g.array(dtype)
    axis = g.maybe_axis(a)
    length = a.np.size if axis is None else a.shape[axis]
    indices = g.indices(length)
    # NumPy does not look at indices that pick nothing.
    nothing = a.np.size == 0 and (indices.np.size == 0 or axis is not None)
    return [a, indices, axis], lambda: np.take(a.np, indices.np, axis), {"may_refuse": nothing}


def along(g, a, axis):
    """Indices of take_along_axis: some other axes of length 1."""
    shape = [1 if g.chance(0.15) else n for n in a.shape]
    shape[axis] = g.integer(0, 5)
    return g.indices(a.shape[axis], tuple(shape))


@row("gather")
def gather(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 4))
    axis = g.axis(a)
    indices = along(g, a, axis)
    return [a, axis, indices], lambda: np.take_along_axis(a.np, indices.np, axis), {"may_refuse": a.np.size == 0}


@row("scatter")
def scatter(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 3), mutable=True)
    axis = g.axis(a)
    indices = along(g, a, axis)
    shape = tuple(n if n != 1 else m for n, m in zip(indices.shape, a.shape))
    shape = shape[:axis % len(shape)] + (indices.shape[axis],) + shape[axis % len(shape) + 1:]
    values = g.array(dtype, shape=g.broadcastable(shape))

    def reference():
        np.put_along_axis(a.np, indices.np, values.np, axis)
        return []
    return [a, axis, indices, values], reference, {"may_refuse": a.np.size == 0}


@row("put")
def put(g, dtype):
    a = g.array(dtype, mutable=True)
    indices = g.indices(a.np.size)
    values = g.array(dtype, rank=None if a.np.size else 0)  # nothing put into nothing: versions of NumPy differ

    def reference():
        np.put(a.np, indices.np, values.np)
        return []
    return [a, indices, values], reference


@row("nonzero")
def nonzero(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 5))
    return [a], lambda: list(np.nonzero(a.np))
