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
    # What only operators kept as a file stores them make and read.
    FLOAT64 = "float64"
    COMPLEX64 = "complex64"
    COMPLEX128 = "complex128"
    UINT64 = "uint64"
    UINT16 = "uint16"

    @property
    def numpy(self) -> np.dtype:
        """The numpy type that holds one element; what files pack into less than a byte lives unpacked in int8."""
        return np.dtype("int8" if self.is_packed else self.value)

    @property
    def bits(self) -> int:
        """Bits one element takes in a file."""
        return _PACKED.get(self.value) or self.numpy.itemsize * 8

    @property
    def is_packed(self) -> bool:
        """Whether several elements share a byte of a file."""
        return self.value in _PACKED

    @property
    def is_float(self) -> bool:
        """Whether elements are real numbers as they stand, of a type that can be quantized."""
        return self in (DType.FLOAT32, DType.FLOAT16)

    @property
    def integer_range(self) -> tuple[int, int]:
        """Smallest and largest integer of the type.

        Raises:
            ValueError: for a float, complex or boolean type.
        """
        if self.is_packed:
            return -(1 << self.bits - 1), (1 << self.bits - 1) - 1
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


# Signed types of less than a byte, and their bits.
_PACKED = {DType.INT4.value: 4}


def pack(values: np.ndarray, dtype: DType) -> np.ndarray:
    """Integers of a packed type as files hold them: lowest bits of a byte first, the last byte filled with zeros.

    Args:
        values: Of any shape, in int8.
        dtype: The packed type.

    Returns:
        uint8, 1-D.
    """
    each = 8 // dtype.bits
    fields = np.append(values.ravel(), np.zeros(-values.size % each, np.int8)).astype(np.uint8) & (1 << dtype.bits) - 1
    return np.bitwise_or.reduce([fields[i::each] << (dtype.bits * i) for i in range(each)], dtype=np.uint8)


def unpack(packed: np.ndarray, dtype: DType, count: int) -> np.ndarray:
    """The first `count` integers of a packed type, int8, 1-D, from uint8; see `pack`."""
    fields = [packed << (8 - dtype.bits * (i + 1)) for i in range(8 // dtype.bits)]
    return np.stack(fields, axis=-1).reshape(-1)[:count].astype(np.uint8).view(np.int8) >> (8 - dtype.bits)
