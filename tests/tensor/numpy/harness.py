"""Differential tests: random calls of Sterna's tensor functions and of NumPy's, compared.

To add a function:
 1. C++: a row {"name", [](const Args& a) -> Outputs { … }} in one of the *_rows.cpp here, or in a new one, found by its name
    (rows.hpp says what Args offers).
 2. Python: in the *_rows.py of the same stem, a generator of cases, which is called once for every case and dtype:

        @row("roll", dtypes=ALL)                        # the C++ row's name; tolerance=EXACT unless given
        def roll(g, dtype):
            a = g.array(dtype)                          # random shape, strides, offset and values; a.np is NumPy's view
            shift, axis = g.integer(-9, 9), g.maybe_axis(a)
            return [a, shift, axis], lambda: np.roll(a.np, shift, axis)

    The list is what the C++ row receives; the lambda gives the expected array, a list of arrays, or raises, and then the
    C++ must fail with a sterna::Error too. Arguments: arrays, int, float, bool, str, None, Dims(…), lists of arrays, and
    Indices(…). An array made with mutable=True has storage of its own, which the reference writes through a.np; its
    whole storage is compared after the call. `g.alias(a)` is another view of the same storage.
    BF16 has no NumPy type: a.np is float32 with the same values, and what is expected is rounded to BF16.

A third element of what is returned is a dict of options: "dtypes" (the result's dtype, where it is not NumPy's), "f32" (results
of a BF16 case are float32), "view" (whether result 0 is a view, by a function of NumPy's), "may_refuse" (Sterna may), "holds"
(a function of the list of results that says what is wrong with them, or nothing: for results that are not unique; what is
expected then gives shapes and dtypes alone).

Tolerances: EXACT (the same bits, any NaN equal to any), Ulp(n), Close(relative to the largest expected magnitude).
A failing case is told with what reproduces it: harness.py DRIVER --rows STEM --only NAME --dtype DTYPE.
"""

import argparse
import dataclasses
import importlib
import pathlib
import random
import struct
import subprocess
import sys
import time
import typing
import warnings

import numpy as np

DTYPES = {  # name: NumPy's type; the order gives the codes of rows.hpp
    "f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": np.float32,
    "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64, "bool": np.bool_,
}
CODES = {name: code for code, name in enumerate(DTYPES)}
ALL = list(DTYPES)
FLOATS = ["f64", "f32", "f16", "bf16"]
SIGNED = ["i8", "i16", "i32", "i64"]
UNSIGNED = ["u8", "u16", "u32", "u64"]
INTEGERS = SIGNED + UNSIGNED
NUMBERS = FLOATS + INTEGERS
WITHOUT_BOOL = NUMBERS

POOL = 2048   # elements of a storage that cases read
SMALL = 256   # and of one that a case writes, which travels back whole


def to_bf16(values) -> np.ndarray:
    """float32 values rounded to bfloat16, half to even."""
    values = np.ascontiguousarray(values, np.float32)
    bits = values.view(np.uint32)
    rounded = ((bits.astype(np.uint64) + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000).astype(np.uint32).view(np.float32)
    return np.where(np.isnan(values), values, rounded)


def round_once(values):
    """float64 to bfloat16 without a rounding to float32 in between, which is made to round to odd."""
    shape, values = values.shape, values.ravel()
    nearest = values.astype(np.float32)
    toward_zero = np.where(np.abs(nearest.astype(np.float64)) > np.abs(values), np.nextafter(nearest, np.float32(0)), nearest)
    inexact = (nearest != values) & np.isfinite(nearest)
    odd = np.where(inexact, (toward_zero.view(np.uint32) | 1).view(np.float32), nearest)
    return to_bf16(odd).reshape(shape)


def bf16_bits(values) -> np.ndarray:
    return (np.ascontiguousarray(to_bf16(values), np.float32).view(np.uint32) >> 16).astype(np.uint16)


# --- comparing

@dataclasses.dataclass(frozen=True)
class Exact:
    def differs(self, found, expected, dtype):
        if found.tobytes() == expected.tobytes():
            return None
        if found.dtype.kind != "f":
            return found != expected
        wrong = (found != expected) | (np.signbit(found) != np.signbit(expected))
        return wrong & ~(np.isnan(found) & np.isnan(expected))


@dataclasses.dataclass(frozen=True)
class Ulp:
    """At most so many representable numbers apart; sign of zero not compared."""
    most: int

    def differs(self, found, expected, dtype):
        if found.tobytes() == expected.tobytes():
            return None
        if found.dtype.kind != "f":
            return found != expected
        shift = 16 if dtype == "bf16" else 0
        width = {2: np.int16, 4: np.int32, 8: np.int64}[found.itemsize]

        def place(values):  # on a line where neighbours are 1 apart
            bits = np.ascontiguousarray(values).view(width).astype(object if width is np.int64 else np.int64)
            lowest = int(np.iinfo(width).min)
            return np.where(bits < 0, lowest - bits, bits) >> shift

        apart = np.abs(place(found) - place(expected))
        nan = np.isnan(found) | np.isnan(expected)
        return np.where(nan, np.isnan(found) != np.isnan(expected), apart > self.most)


@dataclasses.dataclass(frozen=True)
class Close:
    """|found − expected| ≤ relative · max|expected| + absolute; infinities and NaN in the same places."""
    relative: float
    absolute: float = 0.0

    def differs(self, found, expected, dtype):
        if found.dtype.kind not in "fc":
            return found != expected
        finite = np.isfinite(expected)
        scale = np.abs(expected[finite]).max(initial=0).astype(np.float64)
        wide = found.astype(np.complex128 if found.dtype.kind == "c" else np.float64)
        far = ~(np.abs(wide - expected) <= self.relative * scale + self.absolute)
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        return np.where(finite, far, ~same)


EXACT = Exact()


# --- arguments

class Dims(tuple):
    """A Dims of C++: shape, axes, lengths."""


class Indices(list):
    """An index list: int, slice, Ellipsis, None, Array."""

    @property
    def np(self):
        return tuple(entry.np if isinstance(entry, Array) else entry for entry in self)


@dataclasses.dataclass
class Array:
    np: np.ndarray
    storage: int
    dtype: str
    shape: tuple
    strides: tuple  # in elements
    offset: int
    base: typing.Optional[np.ndarray] = None  # of a mutable one: its whole storage


def encode(value) -> bytes:
    if isinstance(value, Array):
        rank = len(value.shape)
        return struct.pack(f"<cIBBB{2 * rank + 1}q", b"T", value.storage, value.base is not None, CODES[value.dtype], rank,
                           *value.shape, *value.strides, value.offset)
    if value is None:
        return b"N"
    if isinstance(value, (bool, np.bool_)):
        return struct.pack("<cB", b"B", value)
    if isinstance(value, (int, np.integer)):
        return struct.pack("<cq", b"I", value)
    if isinstance(value, float):
        return struct.pack("<cd", b"F", value)
    if isinstance(value, str):
        text = value.encode()
        return struct.pack("<cH", b"S", len(text)) + text
    if isinstance(value, Dims):
        return struct.pack(f"<cB{len(value)}q", b"D", len(value), *value)
    if isinstance(value, Indices):
        return struct.pack("<cB", b"X", len(value)) + b"".join(map(encode_entry, value))
    return struct.pack("<cB", b"L", len(value)) + b"".join(map(encode, value))


def encode_entry(entry) -> bytes:
    if entry is None:
        return b"W"
    if entry is Ellipsis:
        return b"E"
    if isinstance(entry, slice):
        step = 1 if entry.step is None else entry.step
        return struct.pack("<cBqBqq", b"Z", entry.start is not None, entry.start or 0, entry.stop is not None, entry.stop or 0, step)
    return encode(entry)


# --- generating

class Generator:
    """Random arguments. One per function and dtype, so that a case does not depend on which others run."""

    def __init__(self, pools: "Pools", seed: str):
        self.random = random.Random(seed)
        self.pools = pools

    def integer(self, low: int, high: int) -> int:
        """Both ends included."""
        return self.random.randint(low, high)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def choice(self, values):
        return self.random.choice(values)

    def axis(self, a) -> int:
        """An axis of an array, counted from either end; 0 for a scalar, where NumPy refuses it."""
        rank = len(a.shape)
        return self.integer(-rank, rank - 1) if rank else 0

    def maybe_axis(self, a):
        return None if self.chance(0.3) or not a.shape else self.axis(a)

    def axes(self, a) -> Dims:
        """Some axes, each once."""
        rank = len(a.shape)
        chosen = self.random.sample(range(rank), self.integer(0, rank))
        return Dims(axis - rank if self.chance(0.5) else axis for axis in chosen)

    def shape(self, rank=None, largest=300) -> tuple:
        if rank is None:
            rank = self.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 5))
        while True:
            shape = tuple(self.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 9)) if self.chance(0.97) else 17 for _ in range(rank))
            if np.prod([max(n, 1) for n in shape], dtype=int) <= largest:
                return shape

    def broadcastable(self, shape: tuple) -> tuple:
        """A shape that broadcasts to this one."""
        kept = shape[self.integer(0, len(shape)):] if self.chance(0.3) else shape
        return tuple(1 if self.chance(0.2) else n for n in kept)

    def values(self, dtype: str) -> str:
        return self.choice(("special", "plain", "small"))

    def array(self, dtype: str, shape=None, rank=None, values=None, mutable=False) -> Array:
        """values: "special" (NaN, ±inf, ±0, extremes among others), "plain" (finite, moderate), "small" (small integers,
        many of them equal); one of them at random by default."""
        if shape is None:
            shape = self.shape(rank, largest=60 if mutable else 300)
        room = SMALL if mutable else POOL
        strides = [0] * len(shape)
        while True:
            reach = 0  # of the elements laid out so far
            # From the innermost axis outward, in a random order half of the time.
            order = list(range(len(shape) - 1, -1, -1))
            if self.chance(0.5):
                self.random.shuffle(order)
            plain = self.chance(0.3)
            for axis in order:
                step = 1 if plain else self.choice((1, 1, 1, 2, 3))
                kind = 1 if plain else self.random.random()
                if kind < 0.08 and not mutable:
                    step = 0                      # repeats
                elif kind < 0.16 and not mutable:
                    step = self.integer(1, 3)     # overlaps what lies inside, as a sliding window does
                else:
                    step *= reach + 1
                if not plain and self.chance(0.2):
                    step = -step
                strides[axis] = step
                reach += max(shape[axis] - 1, 0) * abs(step)
            if reach < room:
                break
        low = sum(min(0, (n - 1) * s) for n, s in zip(shape, strides) if n)
        offset = self.integer(-low, room - 1 - reach - low)
        return self.pools.view(dtype, values or self.values(dtype), shape, tuple(strides), offset, mutable)

    def alias(self, a: Array, shape=None) -> Array:
        """Another view of a mutable array's storage, of the same shape by default: shifted, reversed or permuted."""
        shape = a.shape if shape is None else shape
        while True:
            strides, reach = [0] * len(shape), 0
            for axis in self.random.sample(range(len(shape)), len(shape)):
                strides[axis] = self.choice((1, 1, -1, 2)) * (reach + 1)
                reach += max(shape[axis] - 1, 0) * abs(strides[axis])
            if reach < SMALL:
                break
        low = sum(min(0, (n - 1) * s) for n, s in zip(shape, strides) if n)
        high = sum(max(0, (n - 1) * s) for n, s in zip(shape, strides) if n)
        offset = min(max(a.offset + self.integer(-4, 4), -low), SMALL - 1 - high)
        return self.pools.view_of(a.base, a.storage, a.dtype, shape, tuple(strides), offset, True)

    def indices(self, length: int, shape=None, dtype=None, beyond=0.02) -> Array:
        """An integer array of indices of an axis, a few negative; one in fifty times one lies outside."""
        shape = self.shape(self.choice((0, 1, 1, 1, 2))) if shape is None else shape
        dtype = dtype or self.choice(["i64", "i64", "i32", "i16", "i8"])
        low, high = (-length, length - 1) if length else (0, 0)
        low, high = max(low, -128), min(high, 127)
        flat = [self.integer(low, high) for _ in range(int(np.prod(shape, dtype=int)))]
        if flat and (self.chance(beyond)):
            flat[self.integer(0, len(flat) - 1)] = self.choice((length, -length - 1))
        return self.pools.fresh(np.array(flat, DTYPES[dtype]).reshape(shape), dtype)

    def given(self, values: np.ndarray, dtype: str) -> Array:
        """An array with these values, contiguous."""
        return self.pools.fresh(np.ascontiguousarray(values, DTYPES[dtype]).reshape(np.shape(values)), dtype)


class Pools:
    """The storages of all cases."""

    def __init__(self, seed: int):
        self.blobs = []
        self.bases = {}
        self.random = np.random.default_rng(seed)

    def add(self, base: np.ndarray, dtype: str) -> int:
        data = bf16_bits(base).tobytes() if dtype == "bf16" else base.tobytes()
        self.blobs.append(struct.pack("<BQ", CODES[dtype], len(data)) + data)
        return len(self.blobs) - 1

    def base(self, dtype: str, values: str, size: int):
        key = dtype, values, size
        if key not in self.bases:
            base = self.make(dtype, values, size)
            self.bases[key] = base, self.add(base, dtype)
        return self.bases[key]

    def make(self, dtype: str, values: str, size: int) -> np.ndarray:
        kind, rng = DTYPES[dtype], self.random
        if dtype == "bool":
            return rng.integers(0, 2, size).astype(bool)
        small = rng.integers(-3 if np.dtype(kind).kind != "u" else 0, 6, size)
        if np.dtype(kind).kind in "iu":
            if values == "small":
                return small.astype(kind)
            limits = np.iinfo(kind)
            moderate = rng.integers(max(limits.min, -100), 100, size).astype(kind)
            if values == "plain":
                return moderate
            wide = rng.integers(limits.min, limits.max, size, kind, endpoint=True)
            return np.where(rng.random(size) < 0.5, wide, rng.choice(np.array([limits.min, limits.max, 0, 1], kind), size))
        plain = rng.normal(size=size) * 10.0 ** rng.integers(-2, 3, size)
        if values == "small":
            plain = small.astype(np.float64)
        elif values == "special":
            finite = np.finfo(np.float16 if dtype == "f16" else kind)
            largest = 3.38e38 if dtype == "bf16" else float(finite.max)
            special = [np.nan, np.nan, np.inf, -np.inf, 0.0, -0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, -2.5, largest, -largest,
                       float(finite.tiny), float(finite.smallest_subnormal)]
            plain = np.where(rng.random(size) < 0.4, rng.choice(special, size), plain)
        with np.errstate(all="ignore"):
            plain = plain.astype(kind)
            return to_bf16(plain) if dtype == "bf16" else plain

    def view(self, dtype, values, shape, strides, offset, mutable) -> Array:
        base, storage = self.base(dtype, values, SMALL if mutable else POOL)
        return self.view_of(base.copy() if mutable else base, storage, dtype, shape, strides, offset, mutable)

    def view_of(self, base, storage, dtype, shape, strides, offset, mutable) -> Array:
        width = base.itemsize
        view = np.ndarray(shape, base.dtype, base, offset * width, tuple(s * width for s in strides))
        return Array(view, storage, dtype, tuple(shape), tuple(strides), offset, base if mutable else None)

    def fresh(self, values: np.ndarray, dtype: str) -> Array:
        storage = self.add(values, dtype)
        strides = tuple(s // values.itemsize for s in values.strides)
        return Array(values, storage, dtype, values.shape, strides, 0)


# --- the table of rows

@dataclasses.dataclass
class Row:
    name: str
    dtypes: list
    tolerance: object
    generate: typing.Callable


ROWS: list[Row] = []


def row(name: str, dtypes=ALL, tolerance=EXACT):
    """tolerance: one for all dtypes, or a dict by dtype with the key None for the others."""
    def register(generate):
        ROWS.append(Row(name, list(dtypes), tolerance, generate))
        return generate
    return register


@dataclasses.dataclass
class Case:
    row: Row
    dtype: str
    number: int
    args: list
    reference: typing.Callable
    options: dict


def mutable_arrays(args):
    """Of a case's arguments, one for each storage, in order."""
    seen = {}
    for arg in args:
        for each in arg if isinstance(arg, (list, tuple)) else (arg,):
            if isinstance(each, Array) and each.base is not None:
                seen.setdefault(each.storage, each)
    return list(seen.values())


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, form: str):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count:self.at]


def read_tensor(reader: Reader):
    code, shares, rank = reader.take("<BBB")
    shape = reader.take(f"<{rank}q")
    (count,) = reader.take("<Q")
    dtype = ALL[code]
    data = reader.bytes(count)
    if dtype == "bf16":
        values = (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32)
    else:
        values = np.frombuffer(data, DTYPES[dtype])
    return dtype, bool(shares), values.reshape(shape)


def dtype_name(array: np.ndarray, case: Case) -> str:
    if array.dtype == np.float32 and case.dtype == "bf16" and not case.options.get("f32"):
        return "bf16"
    return next((name for name, kind in DTYPES.items() if np.dtype(kind) == array.dtype), str(array.dtype))


def compare(case: Case, reader: Reader) -> typing.Optional[str]:
    """What is wrong, or nothing. Reads the case's answer in any event."""
    (status,) = reader.take("<B")
    message, outputs = "", []
    if status:
        (length,) = reader.take("<I")
        message = reader.bytes(length).decode()
    else:
        outputs = [read_tensor(reader) for _ in range(reader.take("<B")[0])]
    if status == 2:
        return f"failed with something other than sterna::Error: {message}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", DeprecationWarning)  # what a later NumPy refuses
            expected = case.reference()
    except Exception as error:  # whatever NumPy raises is a refusal
        case.options["refused"] = True
        return None if status else f"NumPy refuses ({error}), Sterna gives {brief([o[2] for o in outputs])}"
    if status and case.options.get("may_refuse"):
        return None
    if status:
        return f"Sterna refuses: {message}; NumPy gives {brief(expected)}"
    expected = list(expected) if isinstance(expected, (list, tuple)) else [expected]
    expected += [a.base for a in mutable_arrays(case.args)]
    if len(outputs) != len(expected):
        return f"{len(outputs)} results, expected {len(expected)}"
    tolerance = case.row.tolerance
    if isinstance(tolerance, dict):
        tolerance = tolerance.get(case.dtype, tolerance.get(None, EXACT))
    for place, ((dtype, shares, found), wanted) in enumerate(zip(outputs, expected)):
        reference = wanted = np.asarray(wanted)
        wanted_dtype = dtype_name(wanted, case)
        if case.options.get("dtypes"):
            wanted_dtype = case.options["dtypes"]
        if dtype != wanted_dtype:
            return f"result {place}: dtype {dtype}, expected {wanted_dtype}"
        if found.shape != wanted.shape:
            return f"result {place}: shape {found.shape}, expected {wanted.shape}"
        if case.options.get("holds"):
            continue
        if dtype == "bf16":
            wanted = to_bf16(wanted)
        wrong = tolerance.differs(found, np.ascontiguousarray(wanted).reshape(found.shape), dtype)
        if wrong is not None and np.any(wrong):
            where = np.argwhere(np.atleast_1d(wrong))[0] if wrong.ndim else ()
            at = tuple(where)[:found.ndim]
            return (f"result {place}: {np.count_nonzero(wrong)} of {found.size} elements differ, first at {tuple(map(int, at))}: "
                    f"{found[at]!r}, expected {wanted[at]!r}")
        if "view" in case.options and place == 0 and found.size and shares != case.options["view"](reference):
            return f"result is {'a view' if shares else 'a copy'}, NumPy's is not"
    return case.options["holds"]([found for _, _, found in outputs]) if case.options.get("holds") else None


def brief(value) -> str:
    text = " ".join(str(value).split())
    return text if len(text) < 300 else text[:300] + " …"


def describe(args) -> str:
    def one(arg):
        if isinstance(arg, Array):
            return f"{arg.dtype}{arg.shape} strides {arg.strides} {brief(arg.np)}"
        if isinstance(arg, (list, tuple)):
            return f"{type(arg).__name__}({', '.join(map(one, arg))})"
        return repr(arg)
    return "; ".join(map(one, args))


def run(driver: str, rows: list[Row], cases: int, seed: int, dtypes) -> int:
    began = time.monotonic()
    pools = Pools(seed)
    requests, all_cases = [], []
    for each in rows:
        for dtype in each.dtypes if dtypes is None else [d for d in each.dtypes if d in dtypes]:
            g = Generator(pools, f"{seed} {each.name} {dtype}")
            for number in range(cases):
                made = each.generate(g, dtype)
                case = Case(each, dtype, number, made[0], made[1], dict(made[2]) if len(made) > 2 else {})
                all_cases.append(case)
                name = each.name.encode()
                requests.append(struct.pack("<H", len(name)) + name + struct.pack("<B", len(case.args)) +
                                b"".join(map(encode, case.args)))
    request = (struct.pack("<I", len(pools.blobs)) + b"".join(pools.blobs) + struct.pack("<I", len(requests)) +
               b"".join(requests))
    done = subprocess.run([driver], input=request, stdout=subprocess.PIPE, check=False)
    reader = Reader(done.stdout)
    failures = []
    counts = {}
    with np.errstate(all="ignore"):
        for case in all_cases:
            if reader.at >= len(reader.data):
                failures.append((case, "no answer"))
                break
            before = describe(case.args) if any(mutable_arrays(case.args)) else None
            if fault := compare(case, reader):
                failures.append((case, fault + "\n    " + (before or describe(case.args))))
            count = counts.setdefault(case.row.name, [0, 0, set()])
            count[0] += 1
            count[1] += case.options.get("refused", False)
            count[2].add(case.dtype)
    for name, (total, refused, kinds) in counts.items():
        print(f"{name:20} {total:6} cases, {len(kinds):2} dtypes" + (f", {refused} refused by both" if refused else ""))
    shown = {}
    for case, fault in failures:
        key = case.row.name, case.dtype
        shown[key] = shown.get(key, 0) + 1
        if shown[key] <= 2 and len(shown) <= 12:
            print(f"FAIL {case.row.name} {case.dtype} case {case.number}: {fault}")
    if done.returncode:
        print(f"the driver ended with status {done.returncode}")
    print(f"{len(all_cases)} cases of {len(counts)} functions, {len(failures)} differ; NumPy {np.__version__}, "
          f"{time.monotonic() - began:.1f} s")
    return 1 if failures or done.returncode or not all_cases else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driver")
    parser.add_argument("--rows", action="append", required=True, help="stem of a *_rows.py")
    parser.add_argument("--cases", type=int, default=200, help="of each function and dtype")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", help="these functions")
    parser.add_argument("--dtype", action="append")
    args = parser.parse_args()
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    sys.modules.setdefault("harness", sys.modules["__main__"])
    for stem in args.rows:
        importlib.import_module(stem)
    rows = [r for r in ROWS if not args.only or r.name in args.only]
    return run(args.driver, rows, args.cases, args.seed, args.dtype)


if __name__ == "__main__":
    sys.exit(main())
