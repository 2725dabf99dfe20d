"""Element-by-element kernels at many scales and zero points, on every int8 value: what few examples cannot reach."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.ir.types import Graph, Node, Options, Quantization, Tensor
from octavo.ops.activation import LeakyReluOptions
from octavo.ops.elementwise_kernels import AddOptions, MulOptions, SubOptions
from octavo.ops.lookup import GeluOptions
from octavo.ops.roles import Fixed, Free, SameAsInput, SameAsOutput
from octavo.ops.softmax import SoftmaxOptions
from octavo.ops.spec import OpSpec
from octavo.ops.table import spec_of
from octavo.run import reference
from octavo.run.litert import LiteRT
from octavo.run.micro import Micro
from octavo.write.tflite import write_tflite

pytest.importorskip("tflite_micro")

CALLS: dict[str, tuple[int, Options | None]] = {
    "RELU": (1, None),
    "RELU6": (1, None),
    "LEAKY_RELU": (1, LeakyReluOptions(0.3)),
    "PRELU": (2, None),
    "LOGISTIC": (1, None),
    "TANH": (1, None),
    "HARD_SWISH": (1, None),
    "SOFTMAX": (1, SoftmaxOptions()),
    "LOG_SOFTMAX": (1, None),
    "ELU": (1, None),
    "GELU": (1, GeluOptions()),
    "ABS": (1, None),
    "ADD": (2, AddOptions()),
    "SUB": (2, SubOptions()),
    "MUL": (2, MulOptions()),
    "SQUARED_DIFFERENCE": (2, None),
    "MAXIMUM": (2, None),
    "MINIMUM": (2, None),
}
CASES = [(name, dtype) for name in CALLS for dtype in sorted(spec_of(name).activations, key=lambda kind: kind.value)]
SWEEP = 8


def parameters(rng: np.random.Generator, dtype: DType, factor: float = 1.0) -> Quantization:
    """A scale between 0.003 and 3, or 1/256 of that for int16, and any zero point."""
    scale = factor * 10 ** rng.uniform(-2.5, 0.5)
    return Quantization(scale / 256, 0) if dtype is DType.INT16 else Quantization(scale, rng.integers(-128, 128))


def output_parameters(rng: np.random.Generator, spec: OpSpec, inputs: list[Quantization], dtype: DType) -> Quantization:
    """What the row demands, or a scale that lets results fill the type more or less."""
    rule = spec.rule()
    if isinstance(rule, Fixed):
        return Quantization(*rule.parameters[dtype])
    if not isinstance(rule, Free):
        return inputs[0]
    scales, steps = [float(given.scale[0]) for given in inputs], float(dtype.integer_range[1])
    size = {"MUL": scales[0] * scales[-1] * steps, "SQUARED_DIFFERENCE": max(scales) ** 2 * steps}
    scale = size.get(spec.name, max(scales)) * rng.uniform(0.3, 3)
    return Quantization(scale, 0 if dtype is DType.INT16 else rng.integers(-128, 128))


def graph_of(name: str, dtype: DType, rng: np.random.Generator, count: int) -> Graph:
    spec, (arity, options) = spec_of(name), CALLS[name]
    inputs = [parameters(rng, dtype) for _ in range(arity)]
    if isinstance(spec.rule(), SameAsInput | SameAsOutput):
        inputs = inputs[:1] * arity
    names = tuple(f"x{i}" for i in range(arity))
    quantizations = {**dict(zip(names, inputs, strict=True)), "y": output_parameters(rng, spec, inputs, dtype)}
    shape = (1, count // 8, 8)
    tensors = {key: Tensor(key, shape, dtype, quantization=value) for key, value in quantizations.items()}
    return Graph("sweep", tensors, (Node(name, names, ("y",), options or spec.options()),), names, ("y",))


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=[f"{name}-{dtype.value}" for name, dtype in CASES])
def test_a_kernel_equals_the_interpreters_at_any_parameters(name: str, dtype: DType) -> None:
    spec, rng = spec_of(name), np.random.default_rng(17)
    for _ in range(SWEEP):
        every = np.arange(*dtype.integer_range, 1 if dtype is DType.INT8 else 29)
        graph = graph_of(name, dtype, rng, len(every) // 8 * 8)
        shape = graph.tensors["y"].shape
        values = {
            key: rng.permutation(every)[: np.prod(shape)].reshape(shape).astype(dtype.numpy) for key in graph.inputs
        }
        expected, content = reference.run(graph, values)["y"], write_tflite(graph)
        if dtype in spec.micro:
            assert np.array_equal(Micro(content).run(values)["y"], expected)
        if dtype not in spec.wrong_in_litert_reference:
            gap = LiteRT(content, kernels="reference").run(values)["y"].astype(np.int64) - expected
            assert np.abs(gap).max() <= (0 if spec.exact else 1)
