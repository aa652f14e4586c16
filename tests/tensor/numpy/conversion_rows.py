"""Conversions by the engine, in both qualities and with every strategy."""

import numpy as np

from harness import ALL, DTYPES, FLOATS, round_once, row


def nearest(values, dtype):
    """Precise: rounded half to even and saturated, in Python's own numbers, so that no intermediate type has a say."""
    limits = np.iinfo(DTYPES[dtype])
    flat = []
    for value in values.ravel().tolist():
        if isinstance(value, float) and not np.isfinite(value):
            value = 0 if np.isnan(value) else limits.max if value > 0 else limits.min
        flat.append(min(max(round(value), limits.min), limits.max))  # Python rounds half to even
    return np.array(flat, DTYPES[dtype]).reshape(values.shape)


def truncated(values, dtype):
    """Fast, from floats: towards 0 and saturated."""
    with np.errstate(all="ignore"):
        return nearest(np.trunc(values.astype(np.float64)), dtype)


def expected(values, source, target, precise):
    if target in FLOATS or target == "bool":
        if target == "bf16" and values.dtype.itemsize == 8 and values.dtype.kind == "f":
            return round_once(values)
        return values.astype(DTYPES[target])  # float32 stands for bf16, and is rounded when it is compared
    if precise:
        return nearest(values.astype(np.int64) if source == "bool" else values, target)
    return truncated(values, target) if source in FLOATS else values.astype(DTYPES[target])


@row("convert")
def convert(g, dtype):
    target = g.choice(ALL)
    # float32 of a 32- or 64-bit integer on the way to bf16 would be a second rounding: moderate values have none.
    wide = target == "bf16" and dtype in ("i32", "i64", "u32", "u64")
    a = g.array(dtype, values="plain" if wide else None)
    precise = g.chance(0.5)
    return ([a, target, precise, g.choice((1, 64, 500, 1 << 20))],
            lambda: [expected(a.np, dtype, target, precise)] * 5, {"dtypes": target})
