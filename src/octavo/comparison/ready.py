"""Rows that a user brings: trained models, quantized ones, and .tflite files of whatever maker."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from octavo.config import SCHEMES, Scheme
from octavo.dtypes import DType
from octavo.errors import ConfigError
from octavo.ir.types import Graph
from octavo.load.paths import existing
from octavo.load.tflite import read_tflite
from octavo.pipeline import quantize
from octavo.result import QuantizedModel
from octavo.trained import is_quantization_aware


def read_ready(source: Any, name: str) -> QuantizedModel:
    """What a user brings to a table, as a quantized model; files of others are measured and not verified.

    Args:
        source: A quantization-aware model, a `QuantizedModel`, or the path or bytes of a .tflite file.
        name: Of its row, for the error.

    Raises:
        ConfigError: for anything else.
        ModelFileError: if the file cannot be read.
    """
    if isinstance(source, QuantizedModel):
        return source
    if is_quantization_aware(source):
        return quantize(source)
    if isinstance(source, (str, PathLike)) and Path(source).suffix == ".tflite":
        source = existing(Path(source)).read_bytes()
    if isinstance(source, (bytes, bytearray)):
        graph = read_tflite(bytes(source))
        return QuantizedModel(scheme_of(graph), graph, bytes(source), None)
    raise ConfigError(
        f"'{name}' cannot stand in the table.",
        got=f"an object of {type(source).__module__}.{type(source).__qualname__}",
        expected="a quantization-aware model, a quantized model, or a .tflite file or its bytes",
        fix="quantize it first: also={'mine': octavo.quantize(model, data=x_train[:500])}",
    )


def scheme_of(graph: Graph) -> Scheme:
    """The scheme that a file's types look like: of its activations, and of its largest constants."""
    made = [graph.tensors[name].dtype for node in graph.nodes for name in node.outputs]
    constants = [tensor for tensor in graph.tensors.values() if tensor.data is not None]
    weights = max(constants, key=lambda tensor: tensor.size).dtype if constants else DType.FLOAT32
    integers = next((dtype for dtype in (DType.INT8, DType.INT16) if dtype in made), None)
    found = (each for each in SCHEMES.values() if (each.activations, each.weights) == (integers, weights))
    return next(found, SCHEMES["float32"])
