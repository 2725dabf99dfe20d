"""Element types a tensor can have, with what every layer of the library needs to know of them."""

from __future__ import annotations

import enum

import numpy as np


class DType(enum.Enum):
    """Element type of a tensor. The value is the name TensorFlow Lite prints in lower case."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT64 = "int64"
    INT32 = "int32"
    UINT32 = "uint32"
    INT16 = "int16"
    INT8 = "int8"
    UINT8 = "uint8"
    INT4 = "int4"
    BOOL = "bool"

    @property
    def numpy(self) -> np.dtype:
        """The numpy type that holds one element; int4 lives unpacked in int8."""
        return np.dtype("int8" if self is DType.INT4 else self.value)

    @property
    def bits(self) -> int:
        """Bits one element takes in a file."""
        return 4 if self is DType.INT4 else self.numpy.itemsize * 8

    @property
    def is_float(self) -> bool:
        """Whether elements are real numbers as they stand."""
        return self in (DType.FLOAT32, DType.FLOAT16)

    @property
    def integer_range(self) -> tuple[int, int]:
        """Smallest and largest integer of the type.

        Raises:
            ValueError: for a float or boolean type.
        """
        if self is DType.INT4:
            return -8, 7
        if self.is_float or self is DType.BOOL:
            raise ValueError(f"{self.value} has no integer range")
        info = np.iinfo(self.numpy)
        return int(info.min), int(info.max)

    @staticmethod
    def of(array: np.ndarray) -> DType:
        """The type of a numpy array.

        Raises:
            ValueError: if no DType matches.
        """
        return DType(array.dtype.name)
