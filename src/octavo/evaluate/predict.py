"""Real values in, real values out, whatever integers a model works on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from octavo.errors import DatasetError, NonFiniteError
from octavo.ir.samples import grouped, row_count, rows_in_sample, sample_shape
from octavo.numerics.affine import dequantize, quantize
from octavo.run.runtime import Runtime
from octavo.run.signature import Port
from octavo.run.targets import DEFAULT

# One array for a single input or output; several by name or in the model's order. The first axis is the sample.
Samples = np.ndarray | Mapping[str, np.ndarray] | Sequence[np.ndarray]
CHUNK = 256


def predict(model: bytes, x: Samples, *, threads: int = 1) -> dict[str, np.ndarray]:
    """Run a model file on samples in LiteRT.

    Args:
        model: The content of a .tflite file.
        x: Real values, whatever the file's own input type is.
        threads: Threads a kernel may use.

    Returns:
        Real values by output name, float32, one row a sample; of a file of a larger batch, one a row of `x`.

    Raises:
        DatasetError: if the samples do not fit the model.
        NonFiniteError: for NaN or infinity in the samples.
        RuntimeEndedError: if LiteRT ends its process on them.
    """
    with DEFAULT.open(model, threads=threads) as runtime:
        chunks = list(predictions(runtime, x))
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def predictions(runtime: Runtime, x: Samples) -> Iterator[dict[str, np.ndarray]]:
    """Run samples one by one, each as if the first, and yield their real outputs in chunks of at most `CHUNK` rows.

    One sample at a time is what the file was made for, and in LiteRT no slower than a batch.

    Raises:
        DatasetError, NonFiniteError: as `predict`.
    """
    samples, rows = fitting(x, runtime.inputs), rows_in(x, runtime.inputs)
    whole = {rows_in_sample(port.shape) for port in runtime.inputs}
    for start in range(0, len(next(iter(samples.values()))), CHUNK):
        chunk = {p.name: encode(samples[p.name][start : start + CHUNK], p, start) for p in runtime.inputs}
        results = runtime.run_each(chunk)
        yield {
            port.name: _of_rows(decode(results[port.name], port), port, start, rows, whole) for port in runtime.outputs
        }


def rows_in(x: Samples, ports: Sequence[Port]) -> int:
    """How many rows of samples there are, if the inputs agree on it; else how many samples."""
    given = by_name(x, [port.name for port in ports], "samples")
    counts = {row_count(given[port.name], port.shape) for port in ports}
    return counts.pop() if len(counts) == 1 else len(next(iter(fitting(x, ports).values())))


def _of_rows(values: np.ndarray, port: Port, start: int, rows: int, whole: set[int]) -> np.ndarray:
    """Results of samples from number `start` on, without those of rows that only fill the last batch up.

    Where a sample has other numbers of rows in results than those in its inputs, `whole`, all of them count.
    """
    if {rows_in_sample(port.shape)} != whole:
        return values
    first = start * rows_in_sample(port.shape)
    return values[: rows - first] if first < rows < first + len(values) else values


def one_by_one(model: bytes, x: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """Real outputs of a model file in LiteRT, sample by sample, for what is too large to hold of all.

    Args:
        model: The content of a .tflite file.
        x: Real values by input name, first axis the sample; what is no input of the file is left out.

    Raises:
        DatasetError, NonFiniteError, RuntimeEndedError: as `predict`.
    """
    with DEFAULT.open(model) as runtime:
        for i in range(len(next(iter(x.values())))):
            yield from predictions(runtime, {port.name: x[port.name][i : i + 1] for port in runtime.inputs})


def fitting(x: Samples, ports: Sequence[Port]) -> dict[str, np.ndarray]:
    """Samples by input name, as `octavo.ir.samples.grouped` makes them, after a check of names, count and shapes.

    Raises:
        DatasetError: if an input has no samples, or samples of another shape or number than the others.
    """
    given = by_name(x, [port.name for port in ports], "samples")
    found = {port.name: grouped(given[port.name], port.shape) for port in ports}
    samples = {name: array for name, array in found.items() if array is not None and len(array)}
    if len(samples) < len(ports) or len({len(array) for array in samples.values()}) > 1:
        raise DatasetError(
            "the samples do not have the shape of the model's inputs.",
            got=", ".join(f"{name} {array.shape}" for name, array in given.items()),
            expected=", ".join(f"{p.name} (samples, {', '.join(map(str, sample_shape(p.shape)))})" for p in ports),
            fix="reshape the samples, with the sample as first axis and as many for each input, at least one",
        )
    return samples


def by_name(arrays: Samples, names: Sequence[str], kind: str) -> dict[str, np.ndarray]:
    """Arrays by input or output name.

    Args:
        arrays: By name, or as many as there are names in their order, or a single one.
        names: All inputs or outputs of the model.
        kind: What the arrays are, for the error: "samples", "float outputs".

    Raises:
        DatasetError: if they are not one for each name.
    """
    if isinstance(arrays, Mapping):
        given = dict(arrays)
    else:
        single = isinstance(arrays, np.ndarray) or len(names) == 1
        listed = [np.asarray(arrays)] if single else list(arrays)
        given = dict(zip(names, listed, strict=True)) if len(listed) == len(names) else {}
    if set(given) != set(names):
        got = ", ".join(map(str, arrays)) if isinstance(arrays, Mapping) else f"{len(listed)} arrays"
        raise DatasetError(
            f"the {kind} do not match the model.",
            got=got or "nothing",
            expected=f"one array for each of: {', '.join(names)}",
            fix="give a dictionary of arrays by these names, or a list of arrays in this order",
        )
    return {name: np.asarray(given[name]) for name in names}


def encode(values: np.ndarray, port: Port, first: int = 0) -> np.ndarray:
    """Real values in the type a port has, by the file's own parameters.

    Args:
        values: Real values, or indices where the port has no parameters.
        port: Of the model.
        first: Number of the first sample among all, for the error.

    Raises:
        DatasetError: for integers where the model takes real values.
        NonFiniteError: for NaN or infinity.
    """
    if values.dtype.kind in "iu" and (port.quantization is not None or port.dtype.is_float):
        raise DatasetError(
            f"the samples of input '{port.name}' are integers, and the model takes real numbers.",
            got=f"{values.dtype} from {values.min()} to {values.max()}",
            expected="floats, prepared as in training",
            fix="pass x / 255.0 if the model was trained on images in 0..1, x.astype('float32') if on these numbers",
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        sample = first + int(np.argwhere(~np.isfinite(values))[0][0])
        raise NonFiniteError(
            f"sample {sample} of input '{port.name}' holds NaN or infinity.",
            got=f"{np.count_nonzero(~np.isfinite(values))} such values in {len(values)} samples",
            expected="finite values",
            fix=f"leave sample {sample} out, or mend what made it",
        )
    if port.quantization is None:
        return values.astype(port.dtype.numpy)
    return quantize(values, port.quantization, port.dtype)


def decode(values: np.ndarray, port: Port) -> np.ndarray:
    """What a port's values stand for; indices and floats stay as they are."""
    return values if port.quantization is None else dequantize(values, port.quantization)
