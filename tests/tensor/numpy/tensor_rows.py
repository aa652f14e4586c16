"""Creation, conversion, views, indexing and assignment."""

import numpy as np

from harness import ALL, DTYPES, FLOATS, Dims, Generator, Indices, round_once, row


@row("zeros")
def zeros(g: Generator, dtype):
    shape = Dims(g.shape())
    return [shape, dtype], lambda: np.zeros(shape, DTYPES[dtype])


@row("full")
def full(g, dtype):
    shape = Dims(g.shape())
    value = g.choice((0, 1, 7, 100, True, False)) if dtype not in FLOATS else g.choice((-1.5, 0.1, 1e30, 3, True, float("nan")))
    return [shape, value, dtype], lambda: np.full(shape, value, DTYPES[dtype])


@row("arange")
def arange(g, dtype):
    if dtype in FLOATS and g.chance(0.5):
        start, stop = g.integer(-64, 64) / 8, g.integer(-64, 64) / 8
        step = g.choice((0.25, 0.5, -0.125, 1.5, -2.0))
    else:
        start, stop, step = g.integer(-20, 60), g.integer(-20, 60), g.choice((1, 1, 2, 3, -1, -4))
    # Like Tensor.to, which wraps between integers; NumPy 2 refuses what does not fit.
    return [start, stop, step, dtype], lambda: np.arange(start, stop, step).astype(DTYPES[dtype])


@row("linspace", dtypes=["f64", "f32", "f16", "i32", "i64"])
def linspace(g, dtype):
    start, stop, count = g.random.uniform(-50, 50), g.random.uniform(-50, 50), g.integer(0, 20)
    endpoint = g.chance(0.5)
    if g.chance(0.1):
        stop = start
    return [start, stop, count, endpoint, dtype], lambda: np.linspace(start, stop, count, endpoint, dtype=DTYPES[dtype])


@row("eye")
def eye(g, dtype):
    rows, cols, k = g.integer(0, 7), g.integer(0, 7), g.integer(-9, 9)
    return [rows, dtype, cols, k], lambda: np.eye(rows, cols, k, DTYPES[dtype])


@row("to")
def to(g, dtype):
    target = g.choice(ALL)
    # What NumPy leaves undefined is in tensor_test.cpp: NaN and what is out of range, to an integer.
    risky = dtype in FLOATS and target not in FLOATS and target != "bool"
    a = g.array(dtype, values="small" if risky else None)
    if risky and target[0] == "u":
        a = g.given(np.abs(a.np), dtype)

    def convert():
        if target == "bf16" and a.np.dtype.kind == "f" and a.np.itemsize == 8:
            return round_once(a.np)
        return a.np.astype(DTYPES[target])
    return [a, target], convert, {"dtypes": target}


@row("clone")
def clone(g, dtype):
    a = g.array(dtype)
    return [a], lambda: [a.np, a.np]


def is_view(a):
    return lambda result: np.may_share_memory(result, a.np) or a.np.size == 0


@row("reshape")
def reshape(g, dtype):
    a = g.array(dtype)
    rest, shape = a.np.size, []
    while rest > 1 and len(shape) < 6:
        divisors = [n for n in range(1, rest + 1) if rest % n == 0]
        shape.append(g.choice(divisors))
        rest //= shape[-1]
    shape += [rest] if rest != 1 or g.chance(0.1) else []
    if g.chance(0.3) and shape:
        shape[g.integer(0, len(shape) - 1)] = -1
    if g.chance(0.05):
        shape.append(2)
    shape = Dims(shape)
    return [a, shape], lambda: a.np.reshape(shape), {"view": is_view(a)}


@row("permute")
def permute(g, dtype):
    a = g.array(dtype)
    axes = list(range(len(a.shape)))
    g.random.shuffle(axes)
    axes = Dims(n - len(axes) if g.chance(0.3) else n for n in axes)
    if g.chance(0.05):
        axes = Dims(axes + (0,))
    return [a, axes], lambda: np.transpose(a.np, axes), {"view": is_view(a)}


@row("transpose")
def transpose(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 5))
    first, second = g.axis(a), g.axis(a)
    return [a, first, second], lambda: [np.swapaxes(a.np, first, second), a.np.T], {"view": is_view(a)}


@row("broadcast_to")
def broadcast_to(g, dtype):
    shape = g.shape(largest=200)
    a = g.array(dtype, shape=g.broadcastable(shape) if g.chance(0.95) else None)
    return [a, Dims(shape)], lambda: np.broadcast_to(a.np, shape), {"view": is_view(a)}


@row("squeeze")
def squeeze(g, dtype):
    a = g.array(dtype, shape=tuple(1 if g.chance(0.5) else n for n in g.shape()))
    ones = [k for k, n in enumerate(a.shape) if n == 1]
    axes = None if g.chance(0.4) else Dims(g.random.sample(ones, g.integer(0, len(ones))))
    if axes is not None and g.chance(0.1):
        axes = g.axes(a)
    return [a, axes], lambda: np.squeeze(a.np, axes), {"view": is_view(a)}


@row("expand_dims")
def expand_dims(g, dtype):
    a = g.array(dtype)
    added = g.integer(0, 3)
    rank = len(a.shape) + added
    axes = Dims(n - rank if g.chance(0.3) else n for n in g.random.sample(range(rank), added))
    return [a, axes], lambda: np.expand_dims(a.np, tuple(axes)), {"view": is_view(a)}


def random_slice(g, length):
    def end():
        return None if g.chance(0.3) else g.integer(-length - 3, length + 3)
    return slice(end(), end(), g.choice((None, 1, 2, 3, -1, -1, -2, 50, -50)))


def basic_entries(g, shape):
    entries, axis = [], 0
    count = g.integer(0, len(shape))
    for _ in range(count):
        if shape[axis] and g.chance(0.35):
            entries.append(g.integer(-shape[axis], shape[axis] - 1) if g.chance(0.98) else shape[axis])
        else:
            entries.append(random_slice(g, shape[axis]))
        axis += 1
    for _ in range(g.choice((0, 0, 0, 1, 2))):
        entries.insert(g.integer(0, len(entries)), None)
    if g.chance(0.3):
        # What follows an ellipsis counts from the end: integers may be out of bounds, on both sides.
        entries.insert(g.integer(0, len(entries)), ...)
    return entries


@row("index")
def index(g, dtype):
    a = g.array(dtype)
    entries = Indices(basic_entries(g, a.shape))
    if g.chance(0.02):
        entries += [0] * 6
    return [a, entries], lambda: a.np[entries.np], {"view": lambda result: True}


def advanced_entries(g, shape):
    """Index arrays that broadcast together (nearly always), masks, integers, slices, ellipses and new axes."""
    common = g.shape(g.choice((1, 1, 2)), largest=12)
    entries, axis, arrays = [], 0, 0
    while axis < len(shape) and (g.chance(0.75) or not arrays):
        kind = g.random.random()
        if kind < 0.45 or not arrays:
            if g.chance(0.25) and axis + 1 <= len(shape):
                rank = g.integer(1, min(2, len(shape) - axis)) if g.chance(0.95) else 0
                mask_shape = shape[axis:axis + rank]
                if g.chance(0.05):
                    mask_shape = tuple(n + 1 for n in mask_shape)
                mask = np.array([g.chance(0.4) for _ in range(int(np.prod(mask_shape, dtype=int)))], bool).reshape(mask_shape)
                entries.append(g.given(mask, "bool"))
                axis += rank
                arrays += 1
                continue
            entries.append(g.indices(shape[axis], g.broadcastable(common)))
            arrays += 1
        elif kind < 0.65 and shape[axis]:
            entries.append(g.integer(-shape[axis], shape[axis] - 1))
        elif kind < 0.92:
            entries.append(random_slice(g, shape[axis]))
        else:
            entries.append(None)
            continue
        axis += 1
    if g.chance(0.2):
        entries.insert(g.integer(0, len(entries)), ...)
    return entries


@row("index_advanced")
def index_advanced(g, dtype):
    a = g.array(dtype, rank=g.integer(1, 4))
    entries = Indices(advanced_entries(g, a.shape))
    return [a, entries], lambda: a.np[entries.np], {"may_refuse": picks_nothing(a, entries)}


def picks_nothing(a, entries):
    """NumPy does not look at indices then, some of which may be out of bounds; Sterna does."""
    try:
        return a.np[entries.np].size == 0
    except IndexError:
        return False


def assign_to(a, entries, value):
    a.np[entries.np] = value
    return []


@row("assign")
def assign(g, dtype):
    a = g.array(dtype, rank=g.integer(0, 4), mutable=True)
    advanced = a.shape and g.chance(0.6)
    entries = Indices(advanced_entries(g, a.shape) if advanced else basic_entries(g, a.shape))
    try:
        shape = a.np[entries.np].shape
    except IndexError:
        shape = ()
    # More axes than the place has: refused for one mask and for a scalar, where NumPy goes other ways.
    leading = shape and not (len(entries) == 1 and getattr(entries[0], "dtype", None) == "bool")
    shape = g.broadcastable(shape)
    if leading and g.chance(0.1):
        shape = (1,) + shape
    value = g.array(dtype, shape=shape)
    return [a, entries, value], lambda: assign_to(a, entries, value.np), {"may_refuse": picks_nothing(a, entries)}


@row("assign_overlapping")
def assign_overlapping(g, dtype):
    a = g.array(dtype, mutable=True)
    value = g.alias(a)
    if g.chance(0.3) and a.shape and a.shape[0]:
        value = g.alias(a, a.shape[1:])
    # NumPy itself does not copy first where both have one axis and strides of one sign, and loses elements.
    return [a, value], lambda: assign_to(a, Indices([...]), value.np.copy())


@row("fill")
def fill(g, dtype):
    a = g.array(dtype, mutable=True)
    entries = Indices(advanced_entries(g, a.shape) if a.shape and g.chance(0.5) else basic_entries(g, a.shape))
    value = g.choice((0, 1, 100, True)) if dtype not in FLOATS else g.choice((-1.5, 0.1, 7, float("-inf"), -0.0))
    return [a, entries, value], lambda: assign_to(a, entries, value), {"may_refuse": picks_nothing(a, entries)}
