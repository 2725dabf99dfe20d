"""Representative data as a stream of chunks: validated, converted, of equal size."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.data.sources import elements, is_counted, is_spent, length, started
from octavo.dtypes import DType
from octavo.errors import ConfigError, DatasetError
from octavo.ir.graph import consumers
from octavo.ir.samples import grouped, rows_in_sample, sample_shape
from octavo.ir.types import Graph, Shape, Tensor

# Calibration knows all it needs long before; a generator may have no end.
UNCOUNTED_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some consecutive samples.

    Attributes:
        start: Index of the first sample in the data.
        arrays: For each input, in the input's dtype, shape (count, *sample), as `octavo.ir.samples` says.
    """

    start: int
    arrays: tuple[np.ndarray, ...]

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.arrays[0])

    def parts(self, size: int) -> Iterator[Chunk]:
        """The samples, `size` at a time, as views; the last part may have fewer."""
        for row in range(0, self.count, size):
            yield Chunk(self.start + row, tuple(array[row : row + size] for array in self.arrays))

    def after(self, count: int) -> Chunk:
        """The samples without the first `count`."""
        return Chunk(self.start + count, tuple(array[count:] for array in self.arrays))


class Dataset:
    """Samples in any form that `octavo.data.sources` reads.

    Of data that does not say where it ends, as a generator, `UNCOUNTED_SAMPLES` are read unless `samples` is given.

    Integer samples for a float input are ambiguous: images in 0..255 may be what the model saw in training, or need a
    division first. They are refused unless `integer_divisor` says which.

    Args:
        data: The samples.
        inputs: The model's inputs; their first dimension is the batch. Of one above 1, data may come as rows or as
            whole batches, which are the samples; see `octavo.ir.samples`.
        integer_divisor: What integer samples are divided by to become what the model was trained on: 255 for images
            that it saw in 0..1, 1 for images that it saw in 0..255 or that it rescales itself.
        samples: Read at most this many.

    Raises:
        ConfigError: if `samples` or `integer_divisor` is not positive.
        DatasetError: if the data says it has no end and `samples` is None.
    """

    def __init__(
        self, data: Any, inputs: Sequence[Tensor], *, integer_divisor: float | None = None, samples: int | None = None
    ) -> None:
        self._data, self._inputs, self._divisor, self._samples = data, tuple(inputs), integer_divisor, samples
        self._names = [tensor.name for tensor in inputs]
        rows = {rows_in_sample(tensor.shape) for tensor in inputs}
        # Of each sample, where data may come in pieces that are smaller.
        self._rows = rows.pop() if len(rows) == 1 else 1
        check_divisor(integer_divisor)
        if samples is not None and samples < 1:
            raise ConfigError(
                "samples is out of range.",
                got=str(samples),
                expected="a positive number, or None for all",
                fix="use some hundred, for example samples=500",
            )
        if samples is None and is_endless(data):
            raise DatasetError(
                "the data never ends.",
                got=f"a {type(data).__name__} that repeats forever",
                expected="a known number of samples",
                fix="say how many to use, for example samples=500",
            )

    @property
    def total(self) -> int | None:
        """Number of samples that will be read, where it is known beforehand."""
        known = [count for count in (length(self._data, self._names), self._samples) if count is not None]
        return min(known, default=None)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """The samples, `size` at a time; the last chunk may have fewer.

        Raises:
            DatasetError: if there is no sample, or one does not fit the inputs.
        """
        start, count, arrays, wanted = 0, 0, self._buffers(size), size * self._rows
        for batch in self._limited():
            rows, taken = len(batch[0]), 0
            while taken < rows:
                step = min(wanted - count, rows - taken)
                for array, part, tensor in zip(arrays, batch, self._inputs, strict=True):
                    _convert(part[taken : taken + step], array[count : count + step], tensor, self._divisor)
                taken, count = taken + step, count + step
                if count == wanted:
                    yield self._chunk(start, arrays)
                    start, count, arrays = start + size, 0, self._buffers(size)
        if count:
            yield self._chunk(start, tuple(array[:count] for array in arrays))
        elif start == 0:
            raise self._empty()

    def _chunk(self, start: int, arrays: tuple[np.ndarray, ...]) -> Chunk:
        """Rows as samples."""
        if self._rows == 1:
            return Chunk(start, arrays)
        pairs = zip(arrays, self._inputs, strict=True)
        return Chunk(
            start, tuple(each for array, tensor in pairs if (each := grouped(array, tensor.shape)) is not None)
        )

    def _limited(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Batches of rows, until those of as many samples as wanted are read."""
        data = started(self._data)
        left = (self._samples or (sys.maxsize if is_counted(data) else UNCOUNTED_SAMPLES)) * self._rows
        channels = self._inputs[0].shape[-1] if self._inputs[0].shape else 1
        for element in elements(data, self._names, channels):
            batch = self._batch(element)
            yield tuple(array[:left] for array in batch)
            left -= len(batch[0])
            if left <= 0:
                return

    def _batch(self, element: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
        """One array for each input, shape (rows, *row)."""
        pairs = zip(element, self._inputs, strict=True)
        batch = tuple(self._rows_of(as_numpy(value, tensor), tensor) for value, tensor in pairs)
        if len({len(array) for array in batch}) > 1:
            raise DatasetError(
                "the inputs have different numbers of samples.",
                got=", ".join(f"{name} {len(array)}" for name, array in zip(self._names, batch, strict=True)),
                expected="one array for each input, with as many samples each",
                fix="cut the arrays to the same samples in the same order",
            )
        return batch

    def _buffers(self, size: int) -> tuple[np.ndarray, ...]:
        rows = size * self._rows
        return tuple(np.empty((rows, *self._row(tensor)), tensor.dtype.numpy) for tensor in self._inputs)

    def _row(self, tensor: Tensor) -> Shape:
        """The shape of what is gathered of an input: of rows, where all inputs take as many, else of whole samples."""
        return sample_shape(tensor.shape) if self._rows == 1 else tensor.shape[1:]

    def _rows_of(self, array: np.ndarray, tensor: Tensor) -> np.ndarray:
        """The array with a leading dimension of rows, after a check of shape and dtype."""
        one, whole = self._row(tensor), sample_shape(tensor.shape)
        if array.shape == one:
            array = array[np.newaxis]
        elif array.ndim and array.shape[1:] == whole != one:
            array = array.reshape(-1, *one)
        found = array if self._rows > 1 and array.shape[1:] == one else grouped(array, tensor.shape)
        if found is None:
            raise DatasetError(
                f"the data does not have the shape of input '{tensor.name}'.",
                got=f"shape {array.shape}",
                expected=f"shape (samples, {', '.join(map(str, whole))})",
                fix=_reshape_hint(array.shape, whole),
            )
        _check_dtype(found, tensor, self._divisor)
        return found

    def _empty(self) -> DatasetError:
        spent = is_spent(self._data)
        return DatasetError(
            "the representative data has no samples.",
            got="a generator that yields nothing, perhaps because it was read before" if spent else "nothing",
            expected="at least one sample; some hundred are usual",
            fix="give a function that returns a new generator, or a list"
            if spent
            else "check where the data comes from",
        )


def check_divisor(divisor: float | None) -> None:
    """Refuse what integers cannot be divided by.

    Raises:
        ConfigError: if it is not positive and finite.
    """
    if divisor is not None and not 0 < divisor < np.inf:
        raise ConfigError(
            "integer_divisor is out of range.",
            got=str(divisor),
            expected="a positive number, or None for data that is not divided",
            fix="say 255 if the model was trained on 0..1, 1 if on 0..255",
        )


# Rescaling layers bring 0..255 to 0..1 or to -1..1, some with 256.
_RESCALING = (1 / 256, 1 / 127)


def rescales_images(graph: Graph) -> bool:
    """Whether the model itself scales images in 0..255: each reader of its inputs multiplies by about 1/255.

    Integer samples are then what it was trained on. Ask before the passes, which fold that product into what follows.
    """
    readers = consumers(graph)
    return all(
        node.op == "MUL" and any(_is_rescaling(graph.tensors[other]) for other in node.inputs if other is not None)
        for name in graph.inputs
        for node in readers[name]
    )


def _is_rescaling(tensor: Tensor) -> bool:
    if tensor.data is None or tensor.size != 1:
        return False
    low, high = _RESCALING
    return low <= float(tensor.data.reshape(-1)[0]) <= high


def is_endless(data: Any) -> bool:
    """Whether a tf.data.Dataset or a keras PyDataset says of itself that it has no end."""
    if hasattr(data, "cardinality"):
        return int(data.cardinality()) == -1
    return getattr(data, "num_batches", 0) is None


def as_numpy(value: Any, tensor: Tensor) -> np.ndarray:
    """An array of any library as numpy's, of a type that numbers have."""
    value = value.detach().cpu() if hasattr(value, "detach") else value
    array = np.asarray(value)
    if array.dtype.kind in "fiub":
        return array
    raise DatasetError(
        f"the data for input '{tensor.name}' is not made of numbers.",
        got=f"dtype {array.dtype}",
        expected=tensor.dtype.value,
        fix=f"convert it first, for example np.asarray(data, '{tensor.dtype.value}')",
    )


def _reshape_hint(shape: Shape, sample: Shape) -> str:
    if (*shape[1:], 1) == sample:
        return "add the channel dimension: data[..., np.newaxis]"
    if len(shape) == len(sample) + 1 and len(sample) == 3 and (*shape[2:], shape[1]) == sample:
        return "move the channels last: data.transpose(0, 2, 3, 1)"
    if shape and np.prod(shape[1:], dtype=np.int64) == np.prod(sample, dtype=np.int64):
        return f"reshape it: data.reshape(-1, {', '.join(map(str, sample))})"
    return "prepare the samples exactly as for training, resized and with all dimensions"


def _check_dtype(array: np.ndarray, tensor: Tensor, divisor: float | None) -> None:
    if tensor.dtype.is_float:
        fits = array.dtype.kind == "f" or divisor is not None
        fix = (
            "data.astype('float32') if the model was trained on these integers, data / 255 if on 0..1; "
            "or say integer_divisor=1 or integer_divisor=255"
        )
    else:
        fits = _fits(array, tensor.dtype)
        fix = f"give whole numbers that fit {tensor.dtype.value}"
    if not fits:
        raise DatasetError(
            f"the data for input '{tensor.name}' has the wrong type.",
            got=f"{array.dtype.name} from {array.min()} to {array.max()}" if array.size else array.dtype.name,
            expected=tensor.dtype.value,
            fix=fix,
        )


def _fits(array: np.ndarray, dtype: DType) -> bool:
    """Whether numbers keep their values in an integer or boolean dtype."""
    if array.dtype.kind == "f" and not (np.rint(array) == array).all():
        return False
    if np.can_cast(array.dtype, dtype.numpy) or array.size == 0:
        return True
    if dtype is DType.BOOL:
        return False
    low, high = dtype.integer_range
    return low <= int(array.min()) and int(array.max()) <= high


def _convert(values: np.ndarray, into: np.ndarray, tensor: Tensor, divisor: float | None) -> None:
    """Write samples into a buffer of the input's dtype; what float32 cannot hold turns infinite and is found later."""
    with np.errstate(over="ignore"):
        if tensor.dtype.is_float and values.dtype.kind != "f" and divisor not in (None, 1):
            np.divide(values, np.float32(divisor), out=into, casting="same_kind")
        else:
            np.copyto(into, values, casting="unsafe")
