"""Joining, splitting, repeating and rearranging."""

import numpy as np

from harness import DTYPES, Dims, Generator, row


def is_view(a):
    return lambda result: True


def several(g: Generator, dtype, axis_differs):
    """Arrays of one shape but for an axis, now and then of another dtype or shape. BF16 stays among itself, for want of a
    NumPy type that promotes as it does."""
    shape = list(g.shape(g.integer(1, 4), largest=60))
    axis = g.integer(-len(shape), len(shape) - 1)
    arrays = []
    for _ in range(g.integer(1, 4)):
        if axis_differs:
            shape[axis] = g.choice((0, 1, 2, 3, 5))
        other = g.choice([d for d in DTYPES if d != "bf16"]) if dtype != "bf16" and g.chance(0.15) else dtype
        arrays.append(g.array(other, shape=tuple(shape) if g.chance(0.98) else None))
    return arrays, axis


@row("concat")
def concat(g, dtype):
    arrays, axis = several(g, dtype, True)
    axis = None if g.chance(0.2) else axis

    def reference():
        # NumPy before 2 looks at the values of scalars among arrays.
        return np.concatenate([a.np.ravel() for a in arrays]) if axis is None else np.concatenate([a.np for a in arrays], axis)
    return [arrays, axis], reference


@row("stack")
def stack(g, dtype):
    arrays, _ = several(g, dtype, False)
    rank = len(arrays[0].shape)
    axis = g.integer(-rank - 1, rank)
    return [arrays, axis], lambda: np.stack([a.np for a in arrays], axis)


@row("split")
def split(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 4))
    axis = g.axis(a)
    sections = g.choice([n for n in range(1, 10) if a.shape[axis] % n == 0] + [g.integer(0, 3)])
    return [a, sections, axis], lambda: np.split(a.np, sections, axis), {"view": is_view(a)}


@row("split_at")
def split_at(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 4))
    axis = g.axis(a)
    at = Dims(g.integer(-10, 10) for _ in range(g.integer(0, 4)))
    return [a, at, axis], lambda: np.split(a.np, list(at), axis), {"view": is_view(a)}


@row("repeat")
def repeat(g, dtype):
    a = g.array(dtype)
    count, axis = g.integer(0, 3) if g.chance(0.98) else -1, g.maybe_axis(a)
    return [a, count, axis], lambda: np.repeat(a.np, count, axis)


@row("repeat_each")
def repeat_each(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 4))
    axis = g.axis(a)
    length = a.shape[axis] if g.chance(0.9) else g.integer(0, 4)
    counts = g.given(np.array([g.integer(0, 3) for _ in range(length)], np.int64), g.choice(("i64", "i32", "u8")))
    return [a, counts, axis], lambda: np.repeat(a.np, counts.np.astype(np.int64), axis)


@row("tile")
def tile(g, dtype):
    a = g.array(dtype, shape=g.shape(largest=60))
    repeats = Dims(g.choice((0, 1, 1, 2, 3)) for _ in range(g.integer(0, 4)))
    return [a, repeats], lambda: np.tile(a.np, repeats)


@row("flip")
def flip(g, dtype):
    a = g.array(dtype)
    axes = None if g.chance(0.3) else g.axes(a)
    return [a, axes], lambda: np.flip(a.np, axes), {"view": is_view(a)}


@row("roll")
def roll(g, dtype):
    a = g.array(dtype)
    shift, axis = g.integer(-12, 12), g.maybe_axis(a)
    return [a, shift, axis], lambda: np.roll(a.np, shift, axis)


@row("pad")
def pad(g, dtype):
    a = g.array(dtype, shape=g.shape(g.integer(1, 4), largest=60))
    mode = g.choice(("constant", "edge", "reflect", "wrap"))
    # NumPy before 1.25 wraps wrongly where a width is more than the length.
    most = [min(n, 3) if mode == "wrap" else 4 for n in a.shape]
    if mode != "constant" and g.chance(0.9):
        most = [m if n else 0 for m, n in zip(most, a.shape)]
    widths = [(g.integer(0, m), g.integer(0, m)) for m in most]
    value = 1 if dtype == "bool" else g.choice((0, 3, 7))

    def reference():
        return np.pad(a.np, widths, mode, **({"constant_values": value} if mode == "constant" else {}))
    return [a, Dims(n for pair in widths for n in pair), mode, value], reference
