"""The constants of integer kernels: computed once for a graph, and nothing but numbers that C can hold."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from enum import Enum

import numpy as np
import pytest

from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import GraphError
from octavo.ir.graph import with_tensors
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Quantization, Tensor
from octavo.numerics.affine import asymmetric
from octavo.ops.prepare import prepared
from octavo.ops.spec import Example, OpSpec
from octavo.ops.table import spec_of
from octavo.ops.text import parse_graph
from octavo.run import reference
from single_op import INTEGER_CASES, float_graph, integer_graph, samples

cases = pytest.mark.parametrize(("spec", "example", "config"), INTEGER_CASES.values(), ids=INTEGER_CASES)


def quantized(spec: OpSpec, example: Example, config: QuantizeConfig) -> Graph:
    graph = float_graph(spec, example)
    return integer_graph(graph, samples(graph, example), config)


def numbers(value: object) -> Iterator[object]:
    """What constants are made of, classes and sequences taken apart."""
    if is_dataclass(value):
        for field in fields(value):
            yield from numbers(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from numbers(item)
    else:
        yield value


@cases
def test_constants_are_frozen_and_made_of_numbers_and_arrays(
    spec: OpSpec, example: Example, config: QuantizeConfig
) -> None:
    graph = quantized(spec, example, config)
    constants = prepared(graph, graph.nodes[-1])
    assert type(constants).__dataclass_params__.frozen
    assert not hasattr(constants, "__dict__")
    assert all(isinstance(value, bool | int | float | np.ndarray | Enum) for value in numbers(constants))


def add() -> Graph:
    config = QuantizeConfig(scheme="int8")
    (spec, example, _) = INTEGER_CASES["ADD-0-int8"]
    return quantized(spec, example, config)


def test_a_node_is_prepared_once_however_often_the_graph_runs() -> None:
    graph = add()
    (node,) = graph.nodes
    constants = prepared(graph, node)
    reference.run(graph, {name: np.zeros(graph.tensors[name].shape, np.int8) for name in graph.inputs})
    assert prepared(graph, node) is constants


def test_another_graph_has_constants_of_its_own() -> None:
    graph = add()
    (node,) = graph.nodes
    wider = replace(graph.tensors[node.outputs[0]], quantization=asymmetric(-20.0, 20.0, DType.INT8))
    changed = with_tensors(graph, [wider])
    assert prepared(graph, node) == prepared(add(), node)
    assert prepared(graph, node) != prepared(changed, node)


def test_constants_go_with_their_graph() -> None:
    graph = add()
    prepared(graph, graph.nodes[0])
    gone = weakref.ref(graph)
    del graph
    gc.collect()
    assert gone() is None


def test_an_operator_without_integer_kernel_is_refused() -> None:
    graph = parse_graph("graph g\ninput x: int8[1,4] q(0.1; 0)\ny: int8[1,4] q(0.1; 0) = NEG(x) @minus\noutput y\n")
    with pytest.raises(GraphError, match=r"(?s)NEG of layer 'minus' has no integer kernel.*fix: +plan the graph with"):
        reference.run(graph, {"x": np.zeros((1, 4), np.int8)})


@pytest.mark.parametrize("count", [1, 3, 1 << 10, 1 << 20, (1 << 20) + 1])
@pytest.mark.parametrize("scale", [2.0**-24, 2.0**-9, 1.0, 2.0**6])
def test_the_division_in_a_means_multiplier_never_shifts_further_than_kernels_can(scale: float, count: int) -> None:
    spec = spec_of("MEAN")
    x, y = (
        Tensor(name, shape, DType.INT8, quantization=Quantization(np.array(own), np.array(0)))
        for name, shape, own in (("x", (1, count), scale), ("y", (1, 1), 1.0))
    )
    axes = Tensor("axes", (1,), DType.INT32, np.array([1], np.int32))
    constants = spec.integer.prepare(spec.options(keep_dims=True), Inputs((x, axes)), (y,))
    multiplier, shift = constants.multiplier.multiplier_q31, constants.multiplier.shift_bits
    assert shift >= -31
    # As many bits as the shift leaves room for stay in the multiplier.
    assert abs(multiplier * 2.0 ** (shift - 31) / (scale / count) - 1) <= 2.0**-6 or shift == -31
