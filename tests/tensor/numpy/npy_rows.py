"""Files that NumPy writes and Sterna reads, and the other way round."""

import atexit
import itertools
import os
import pathlib
import shutil
import tempfile

import numpy as np

from harness import ALL, DTYPES, Generator, row

# In memory where that can be: Sterna waits for the disk after every file, and there are thousands.
SHARED_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="sterna-npy-", dir=SHARED_MEMORY))
atexit.register(shutil.rmtree, FOLDER)
NUMBERS = itertools.count()
NUMPYS = [dtype for dtype in ALL if dtype != "bf16"]  # which NumPy does not have


def fresh(suffix: str) -> str:
    return str(FOLDER / f"{next(NUMBERS)}.{suffix}")


def written(g: Generator, dtype):
    """An array as NumPy may hold it: any strides, either byte order, C or Fortran order."""
    array = g.array(dtype).np
    kind = g.random.random()
    if kind < 0.3:
        array = np.asfortranarray(array)
    elif kind < 0.6:
        array = np.ascontiguousarray(array).reshape(array.shape)
    return array.astype(array.dtype.newbyteorder(">"), order="K") if g.chance(0.3) else array


@row("read_npy", dtypes=NUMPYS)
def read_npy(g, dtype):
    array, file = written(g, dtype), fresh("npy")
    if g.chance(0.5):
        np.save(file, array)
    else:
        with open(file, "wb") as out:
            np.lib.format.write_array(out, array, version=g.choice(((1, 0), (2, 0), (3, 0))))
    # A big-endian array cannot be used where it lies.
    mapped = g.chance(0.5)
    refused = mapped and array.dtype.byteorder == ">"
    return [file, mapped], lambda: np.load(file).astype(DTYPES[dtype]), {"may_refuse": refused}


@row("write_npy", dtypes=NUMPYS)
def write_npy(g, dtype):
    a, file = g.array(dtype), fresh("npy")

    def load():
        found = np.load(file)
        assert found.dtype == DTYPES[dtype], found.dtype
        np.testing.assert_array_equal(found, a.np)
        plain = a.np.flags.c_contiguous or not a.np.flags.f_contiguous
        assert found.flags.c_contiguous if plain else found.flags.f_contiguous, "another order"
        return found
    return [a, file], load


@row("read_npz", dtypes=NUMPYS)
def read_npz(g, dtype):
    arrays, file = {f"ä{i}": written(g, dtype) for i in range(g.integer(1, 3))}, fresh("npz")
    (np.savez_compressed if g.chance(0.5) else np.savez)(file, **arrays)
    return [file], lambda: [each.astype(DTYPES[dtype]) for each in arrays.values()]


@row("write_npz", dtypes=NUMPYS)
def write_npz(g, dtype):
    arrays, file = [g.array(dtype) for _ in range(g.integer(1, 3))], fresh("npz")

    def load():
        found = np.load(file)
        assert found.files == [f"ä{i}" for i in range(len(arrays))], found.files
        for each, a in zip(found.files, arrays):
            np.testing.assert_array_equal(found[each], a.np)
        return [found[each] for each in found.files]
    return [arrays, file, g.chance(0.5)], load
