"""Graphs of one operator, made of the op table's examples: what the generic tests over the table share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from octavo.calibration.states import with_states_shown
from octavo.config import QuantizeConfig, scheme_named
from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Tensor
from octavo.numerics.affine import along_axis, quantize
from octavo.ops.build import GraphBuilder
from octavo.ops.spec import Example, OpSpec
from octavo.ops.table import OPS
from octavo.plan.make import make_plan
from octavo.quantization.assign import assign
from octavo.run import reference

Values = dict[str, np.ndarray]
SAMPLES = 3
CASES = {f"{spec.name}-{i}": (spec, example) for spec in OPS.values() for i, example in enumerate(spec.examples)}
INTEGER_CASES = {
    f"{name}-{config.scheme}{'' if config.per_axis else '-per_tensor'}": (spec, example, config)
    for name, (spec, example) in CASES.items()
    for config in (QuantizeConfig(scheme=s, per_axis=p) for s in ("int8", "int16x8", "int8x4") for p in (True, False))
    if spec.integer is not None
    and scheme_named(config.scheme).activations in spec.activations
    and (spec.weights or (config.per_axis and config.scheme != "int8x4"))
}


def float_graph(spec: OpSpec, example: Example) -> Graph:
    """The example as a graph; inputs are named x0, x1, ... by their place."""
    builder = GraphBuilder(spec.name.lower())
    names: list[str | None] = []
    for i, shape in enumerate(example.shapes):
        if shape is not None:
            names.append(builder.input(f"x{i}", shape, example.dtypes.get(i, DType.FLOAT32)))
        elif i in example.states:
            names.append(builder.variable(example.states[i], f"s{i}"))
        else:
            names.append(builder.constant(example.constants[i], f"c{i}") if i in example.constants else None)
    tensors = Inputs(None if name is None else builder.tensor(name) for name in names)
    count = len(spec.shapes(example.options, tensors))
    return builder.finish(builder.emit_many(spec.name, names, example.options, outputs=count, suffix="y"))


def samples(graph: Graph, example: Example) -> list[Values]:
    """Random float inputs, the same on every call."""
    rng = np.random.default_rng(11)

    def draw(name: str) -> np.ndarray:
        tensor = graph.tensors[name]
        if tensor.dtype.is_float:
            return rng.uniform(example.low, example.high, tensor.shape).astype(np.float32)
        return rng.integers(0, 2 if tensor.dtype is DType.BOOL else 5, tensor.shape).astype(tensor.dtype.numpy)

    return [{name: draw(name) for name in graph.inputs} for _ in range(SAMPLES)]


def integer_graph(graph: Graph, inputs: list[Values], config: QuantizeConfig) -> Graph:
    """The graph quantized with the ranges its tensors have on these inputs."""
    plan = make_plan(graph, config)
    showing, shown = with_states_shown(graph, plan.observed)
    seen = {name: shown.get(name, name) for name in plan.observed if not graph.tensors[name].is_constant}
    runs = [reference.run(showing, values, keep=tuple(seen.values())) for values in inputs]
    ranges = {
        name: (min(float(run[source].min()) for run in runs), max(float(run[source].max()) for run in runs))
        for name, source in seen.items()
    }
    return assign(graph, plan, ranges)


def steps_in_time(spec: OpSpec, output: Tensor) -> int:
    """How often an operator feeds back what it rounded, the first time included."""
    return output.size // output.shape[-1] if spec.states else 1


def as_integers(graph: Graph, values: Values) -> Values:
    """Float inputs in the types an integer graph's inputs have."""
    return {name: _encode(graph.tensors[name], array) for name, array in values.items()}


def as_reals(graph: Graph, values: Mapping[str, np.ndarray]) -> Values:
    """What the integers of a graph's tensors stand for, in float64."""
    return {name: _real(graph.tensors[name], array) for name, array in values.items()}


def as_real_graph(graph: Graph) -> Graph:
    """The graph an integer graph stands for; its constants are float64."""
    tensors = {
        name: tensor
        if tensor.quantization is None
        else replace(
            tensor,
            dtype=DType.FLOAT32,
            quantization=None,
            data=None if tensor.data is None else _real(tensor, tensor.data),
        )
        for name, tensor in graph.tensors.items()
    }
    return replace(graph, tensors=tensors)


def _encode(tensor: Tensor, array: np.ndarray) -> np.ndarray:
    return array if tensor.quantization is None else quantize(array, tensor.quantization, tensor.dtype)


def _real(tensor: Tensor, array: np.ndarray) -> np.ndarray:
    if tensor.quantization is None:
        return array
    scale, zero_point = along_axis(tensor.quantization, array.ndim)
    return (array - zero_point) * scale.astype(np.float64)


def rounding_bound(graph: Graph, values: Mapping[str, np.ndarray]) -> float:
    """How far two float32 evaluations of a single-operator graph may lie apart.

    Summing n products in any order errs by at most n * eps * sum |a * b|, and that sum is at most n * max|a| * max|b|;
    n is bounded by the elements of the smallest operand of a product, or of the input of a sum.
    """
    floats = [values[name] for name in graph.inputs]
    floats += [t.data for t in graph.tensors.values() if t.data is not None and t.dtype is DType.FLOAT32]
    terms = max(array.size for array in floats)
    magnitude = float(np.prod([max(1.0, float(np.abs(array).max(initial=0.0))) for array in floats]))
    return terms * float(np.finfo(np.float32).eps) * magnitude
