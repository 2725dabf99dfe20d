"""Operators that say they only scale channels do."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.condition.offsets import handed_on, hands_on
from octavo.ir.graph import operands, results
from octavo.ops.operands import data_inputs
from octavo.ops.spec import Example, OpSpec
from octavo.run import reference
from single_op import CASES, float_graph


def claims(spec: OpSpec, example: Example) -> bool:
    graph = float_graph(spec, example)
    (node,) = graph.nodes
    constant = any(graph.tensors[name].is_constant for _, name in data_inputs(graph, node))
    return not constant and spec.channelwise(node.options, operands(graph, node), results(graph, node)[0])


# A fused ReLU6 clips, which is not the row's to say.
CLAIMED = {
    name: case
    for name, case in CASES.items()
    if getattr(case[1].options, "fused_activation_function", 0) in (0, 1) and claims(*case)
}


def test_rows_claim_it_of_what_passes_channels_on() -> None:
    named = {spec.name for spec, _ in CLAIMED.values()}
    assert named >= {"RELU", "MAX_POOL_2D", "AVERAGE_POOL_2D", "ADD", "SUB", "MEAN", "PAD", "RESHAPE", "LEAKY_RELU"}
    assert not named & {"RELU6", "SOFTMAX", "MUL", "TRANSPOSE", "CONV_2D", "HARD_SWISH"}


@pytest.mark.parametrize(("spec", "example"), CLAIMED.values(), ids=CLAIMED)
def test_channels_of_the_result_are_scaled_as_those_of_the_operands(spec: OpSpec, example: Example) -> None:
    graph = float_graph(spec, example)
    rng = np.random.default_rng(3)
    x = {
        name: rng.uniform(example.low, example.high, graph.tensors[name].shape).astype(np.float32)
        for name in graph.inputs
    }
    (result,) = graph.outputs
    channels = min(graph.tensors[name].shape[-1] for name in (*graph.inputs, result))
    # Powers of two, so that nothing rounds.
    factors = np.float32(2.0) ** rng.integers(-3, 4, channels).astype(np.float32)

    def times(values: np.ndarray) -> np.ndarray:
        return values * np.tile(factors, values.shape[-1] // channels)

    plain = reference.run(graph, x)[result]
    assert np.array_equal(reference.run(graph, {name: times(each) for name, each in x.items()})[result], times(plain))


def joins(spec: OpSpec, example: Example) -> bool:
    graph = float_graph(spec, example)
    (node,) = graph.nodes
    return spec.joins_channels(node.options, operands(graph, node), results(graph, node)[0])


JOINING = {name: case for name, case in CASES.items() if joins(*case)}


def passes(spec: OpSpec, example: Example) -> bool:
    graph = float_graph(spec, example)
    return hands_on(graph, graph.nodes[0])


PASSING = {name: case for name, case in CASES.items() if passes(*case)}


def test_rows_claim_that_offsets_come_out_again_and_that_channels_are_joined() -> None:
    named = {spec.name for spec, _ in PASSING.values()}
    assert named >= {"ADD", "MAX_POOL_2D", "AVERAGE_POOL_2D", "MEAN", "RESHAPE", "CONCATENATION", "RESIZE_BILINEAR"}
    assert {spec.name for spec, _ in JOINING.values()} == {"CONCATENATION"}
    assert not {*JOINING} & {*CLAIMED}


@pytest.mark.parametrize(("spec", "example"), PASSING.values(), ids=PASSING)
def test_what_is_added_to_channels_comes_out_again_added_up(spec: OpSpec, example: Example) -> None:
    graph = float_graph(spec, example)
    (node,) = graph.nodes
    rng = np.random.default_rng(3)
    x = {name: rng.uniform(-1, 1, graph.tensors[name].shape).astype(np.float32) for name in graph.inputs}
    added = {name: rng.normal(size=each.shape[-1]) for name, each in x.items()}
    (result,) = graph.outputs
    plain = reference.run(graph, x)[result]
    moved = reference.run(graph, {name: (each + added[name]).astype(np.float32) for name, each in x.items()})[result]
    wanted = handed_on(graph, node, added)
    assert wanted is not None
    assert np.allclose(moved, plain + wanted, atol=1e-5)
