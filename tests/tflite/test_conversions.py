"""QUANTIZE and DEQUANTIZE, which stand between reals and integers, against the interpreters."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.ir.types import Graph, Node, NoOptions, PerAxis, Quantization, Tensor
from octavo.run import reference
from octavo.run.litert import LiteRT
from octavo.run.micro import Micro
from octavo.write.tflite import write_tflite

pytest.importorskip("tflite_micro")

FLOAT, INT8, INT16, UINT8 = DType.FLOAT32, DType.INT8, DType.INT16, DType.UINT8
SHAPE = (1, 16, 16)
PARAMETERS = {
    FLOAT: None,
    INT8: Quantization(0.037, -11),
    INT16: Quantization(0.00021, 0),
    UINT8: Quantization(0.037, 117),
}
COARSER = {INT8: Quantization(0.05, 20), INT16: Quantization(0.0005, 0), UINT8: Quantization(0.05, 7)}


def one_call(op: str, source: Tensor, target: Tensor) -> Graph:
    return Graph("convert", {"x": source, "y": target}, (Node(op, ("x",), ("y",), NoOptions()),), ("x",), ("y",))


def tensor(name: str, dtype: DType, quantization: Quantization | None) -> Tensor:
    return Tensor(name, SHAPE, dtype, quantization=quantization)


def values_of(dtype: DType) -> np.ndarray:
    rng = np.random.default_rng(3)
    if dtype is FLOAT:
        return rng.uniform(-9, 9, SHAPE).astype(np.float32)
    low, high = dtype.integer_range
    return rng.integers(low, high + 1, SHAPE).astype(dtype.numpy)


def assert_equals(runtimes: list[LiteRT | Micro], graph: Graph, values: np.ndarray, steps: int = 0) -> None:
    expected = reference.run(graph, {"x": values})["y"]
    for runtime in runtimes:
        result = runtime.run({"x": values})["y"]
        assert result.dtype == expected.dtype
        assert np.abs(result.astype(np.float64) - expected).max() <= steps, type(runtime).__name__


@pytest.mark.parametrize(
    ("source", "target", "parameters"),
    [
        (FLOAT, INT8, PARAMETERS[INT8]),
        (FLOAT, INT16, PARAMETERS[INT16]),
        (INT8, INT8, COARSER[INT8]),
        (INT16, INT16, COARSER[INT16]),
        (INT8, UINT8, PARAMETERS[UINT8]),
        (UINT8, INT8, PARAMETERS[INT8]),
        (INT8, UINT8, COARSER[UINT8]),
        (INT8, INT16, COARSER[INT16]),
        (INT16, INT8, COARSER[INT8]),
    ],
)
def test_quantize_equals_the_interpreters(source: DType, target: DType, parameters: Quantization) -> None:
    graph = one_call("QUANTIZE", tensor("x", source, PARAMETERS[source]), tensor("y", target, parameters))
    content = write_tflite(graph)
    values = values_of(source)
    assert_equals([Micro(content), LiteRT(content, kernels="reference")], graph, values)
    assert_equals([LiteRT(content)], graph, values, steps=1)


@pytest.mark.parametrize("source", [INT8, INT16, UINT8])
def test_dequantize_equals_the_interpreters(source: DType) -> None:
    graph = one_call("DEQUANTIZE", tensor("x", source, PARAMETERS[source]), tensor("y", FLOAT, None))
    content = write_tflite(graph)
    assert_equals([Micro(content), LiteRT(content, kernels="reference")], graph, values_of(source))
    # In float32 the product of two numbers of at most 24 bits is rounded once more than in double.
    largest = float(np.abs(reference.run(graph, {"x": values_of(source)})["y"]).max())
    assert_equals([LiteRT(content)], graph, values_of(source), steps=largest * np.finfo(np.float32).eps)


def test_dequantize_of_a_scale_per_channel_equals_litert() -> None:
    scales = Quantization(np.linspace(0.01, 0.2, 16), np.zeros(16), PerAxis(2))
    graph = one_call("DEQUANTIZE", tensor("x", INT8, scales), tensor("y", FLOAT, None))
    assert_equals([LiteRT(write_tflite(graph), kernels="reference")], graph, values_of(INT8))


def test_dequantize_widens_float16() -> None:
    halves = values_of(FLOAT).astype(np.float16)
    constant = Tensor("h", SHAPE, DType.FLOAT16, halves)
    tensors = {
        "x": tensor("x", FLOAT, None),
        "h": constant,
        "w": tensor("w", FLOAT, None),
        "y": tensor("y", FLOAT, None),
    }
    nodes = (Node("DEQUANTIZE", ("h",), ("w",)), Node("MAXIMUM", ("x", "w"), ("y",)))
    graph = Graph("half", tensors, nodes, ("x",), ("y",))
    content = write_tflite(graph)
    assert_equals([LiteRT(content), LiteRT(content, kernels="reference")], graph, values_of(FLOAT) / 2)
