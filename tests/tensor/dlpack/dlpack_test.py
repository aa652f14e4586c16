"""NumPy takes Sterna's tensors, and Sterna takes NumPy's arrays, as capsules: the same memory on both sides."""

import ctypes
import gc
import os
import unittest
import weakref

import numpy as np

BRIDGE = ctypes.CDLL(os.environ["BRIDGE"])
POINTER = ctypes.c_void_p
for name, result, arguments in (
    ("make", POINTER, [ctypes.c_char_p]), ("export", POINTER, [POINTER]), ("import", POINTER, [POINTER]),
    ("data", POINTER, [POINTER]), ("dtype", ctypes.c_char_p, [POINTER]), ("handles", ctypes.c_long, [POINTER]),
    ("element", ctypes.c_double, [POINTER, ctypes.c_long, ctypes.c_long]), ("drop", None, [POINTER]),
):
    function = getattr(BRIDGE, "bridge_" + name)
    function.restype, function.argtypes = result, arguments

CAPI = ctypes.pythonapi
CAPI.PyCapsule_New.restype, CAPI.PyCapsule_New.argtypes = ctypes.py_object, [POINTER, ctypes.c_char_p, POINTER]
CAPI.PyCapsule_GetPointer.restype, CAPI.PyCapsule_GetPointer.argtypes = POINTER, [ctypes.py_object, ctypes.c_char_p]
CAPI.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
FRESH, USED = b"dltensor", b"used_dltensor"  # the names are pointers that must live as long as the capsule

DTYPES = {"f64": np.float64, "f32": np.float32, "f16": np.float16, "i8": np.int8, "i16": np.int16, "i32": np.int32,
          "i64": np.int64, "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64}


class Exported:
    """What np.from_dlpack takes."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack_device__(self):
        return 1, 0

    def __dlpack__(self, **_):
        return CAPI.PyCapsule_New(BRIDGE.bridge_export(self.tensor), FRESH, None)


class Dlpack(unittest.TestCase):
    def test_numpy_takes_tensors(self):
        for name, dtype in DTYPES.items():
            with self.subTest(name):
                tensor = BRIDGE.bridge_make(name.encode())
                array = np.from_dlpack(Exported(tensor))
                np.testing.assert_array_equal(array, np.arange(24, dtype=dtype).reshape(6, 4).T[::-1])
                self.assertEqual(array.dtype, dtype)
                self.assertEqual(array.ctypes.data, BRIDGE.bridge_data(tensor))
                self.assertEqual(BRIDGE.bridge_handles(tensor), 2)
                del array
                gc.collect()
                self.assertEqual(BRIDGE.bridge_handles(tensor), 1)
                BRIDGE.bridge_drop(tensor)

    def test_an_array_outlives_the_tensor(self):
        tensor = BRIDGE.bridge_make(b"i32")
        array = np.from_dlpack(Exported(tensor))
        BRIDGE.bridge_drop(tensor)
        self.assertEqual(int(array[3, 0]), 0)
        self.assertEqual(int(array.sum()), 276)

    def test_sterna_takes_arrays(self):
        for name, dtype in DTYPES.items():
            with self.subTest(name):
                array = np.arange(60, dtype=dtype).reshape(10, 6).T[::-1, 2::3]
                owner = weakref.ref(array.base)
                capsule = array.__dlpack__()
                tensor = BRIDGE.bridge_import(CAPI.PyCapsule_GetPointer(capsule, FRESH))
                CAPI.PyCapsule_SetName(capsule, USED)
                self.assertEqual(BRIDGE.bridge_dtype(tensor).decode(), name)
                self.assertEqual(BRIDGE.bridge_data(tensor), array.ctypes.data)
                for row in range(array.shape[0]):
                    for column in range(array.shape[1]):
                        self.assertEqual(BRIDGE.bridge_element(tensor, row, column), array[row, column])
                del array, capsule
                gc.collect()
                self.assertIsNotNone(owner())  # the tensor holds it
                BRIDGE.bridge_drop(tensor)
                gc.collect()
                self.assertIsNone(owner())


if __name__ == "__main__":
    unittest.main()
