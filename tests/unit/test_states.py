"""Variables and intermediates in graphs: what holds of them, and what is said where it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import GraphError
from octavo.ir.check import check_structure
from octavo.ir.graph import drop_dead, drop_unused, with_tensors
from octavo.ir.types import Graph, Node, Quantization
from octavo.ops.check import check_scales, check_shapes
from octavo.ops.operands import states
from octavo.ops.table import OPS
from octavo.plan.make import make_plan
from octavo.quantization.parameters import settle_parameters
from octavo.run import reference
from single_op import CASES, float_graph, integer_graph, samples

STATEFUL = {name: case for name, case in CASES.items() if case[0].states}
SPEC, EXAMPLE = STATEFUL["UNIDIRECTIONAL_SEQUENCE_LSTM-0"]
INT8 = QuantizeConfig(scheme="int8")


def lstm() -> Graph:
    graph = float_graph(SPEC, EXAMPLE)
    return integer_graph(graph, samples(graph, EXAMPLE), INT8)


def changed(graph: Graph, name: str, **changes: object) -> Graph:
    return with_tensors(graph, [replace(graph.tensors[name], **changes)])  # type: ignore[arg-type]


def other_node(graph: Graph, **changes: object) -> Graph:
    return replace(graph, nodes=(replace(graph.nodes[0], **changes),))  # type: ignore[arg-type]


BROKEN: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "a variable that two operators read": (
        lambda g: replace(g, nodes=(*g.nodes, Node("RELU", ("s18",), ("z",))), tensors={**g.tensors, "z": replace(
            g.tensors["s18"], name="z", is_variable=False)}),
        "read at 2 places",
    ),
    "a variable that is a constant": (lambda g: changed(g, "s18", data=np.zeros((1, 4), np.int8)), "a constant"),
    "a variable that is a result of the graph": (lambda g: replace(g, outputs=(*g.outputs, "s18")), "read at 1"),
    "an intermediate that has a value": (lambda g: other_node(g, intermediates=("c1",)), "a tensor that has a value"),
    "an intermediate without a tensor": (lambda g: other_node(g, intermediates=("z",)), "a name without a tensor"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "got"), BROKEN.values(), ids=BROKEN)
def test_a_broken_state_is_named(damage: Callable[[Graph], Graph], got: str) -> None:
    check_structure(lstm())
    with pytest.raises(GraphError, match=r"fix: +(give each operator a variable|name new tensors)") as error:
        check_structure(damage(lstm()))
    assert got in error.value.got


def test_an_operator_with_state_has_it_in_variables() -> None:
    graph = lstm()
    check_shapes(graph)
    with pytest.raises(GraphError, match=r"fix: .*GraphBuilder.variable"):
        check_shapes(changed(graph, "s19", is_variable=False))


@pytest.mark.parametrize(
    "damage",
    [
        lambda g: changed(g, "s18", quantization=Quantization(np.array(0.5), np.array(0))),
        lambda g: changed(g, "s18", dtype=DType.INT16),
        lambda g: changed(g, "s19", quantization=Quantization(np.array(0.001), np.array(0))),
        lambda g: changed(g, "s19", quantization=Quantization(np.array(2.0**-8), np.array(0))),
        lambda g: changed(g, "s19", quantization=None),
    ],
    ids=["another scale than the output", "another type", "no power of two", "too large a power", "no scale"],
)
def test_parameters_of_state_that_kernels_do_not_honour_are_named(damage: Callable[[Graph], Graph]) -> None:
    check_scales(lstm())
    with pytest.raises(GraphError, match=r"fix: .*plan"):
        check_scales(damage(lstm()))


def test_what_is_dropped_as_unused_are_not_the_intermediates_of_nodes_that_stay() -> None:
    graph = lstm()
    assert drop_unused(graph) is graph
    assert drop_dead(graph) is graph
    spare = replace(graph.tensors["s18"], name="spare", is_variable=False)
    assert drop_unused(with_tensors(graph, [spare])).tensors.keys() == graph.tensors.keys()


def test_state_starts_from_its_zero_point_and_is_returned_as_it_is_left() -> None:
    graph = lstm()
    hidden, cell = states(graph, graph.nodes[0])
    assert hidden.quantization is not None
    start = reference.reset_state(graph)
    assert start["s18"].dtype == np.int8
    assert (start["s18"] == hidden.quantization.zero_point[0]).all()
    assert start["s19"].dtype == cell.dtype.numpy
    assert not start["s19"].any()
    values = {"x0": np.ones((1, 5, 3), np.int8)}
    left = reference.run(graph, values, keep=["s18", "s19", *graph.outputs])
    assert np.array_equal(left["s18"], left[graph.outputs[0]][:, -1])
    assert np.array_equal(reference.run(graph, values, state=start)[graph.outputs[0]], left[graph.outputs[0]])
    assert not np.array_equal(reference.run(graph, values, state=left)[graph.outputs[0]], left[graph.outputs[0]])


@pytest.mark.parametrize(("high", "power"), [(1e-9, -15), (0.99, -15), (1.01, -14), (7.0, -12), (1e6, -9)])
def test_the_cell_has_the_next_power_of_two_that_kernels_take(high: float, power: int) -> None:
    graph = float_graph(SPEC, EXAMPLE)
    plan = make_plan(graph, INT8)
    assert "s18" not in plan.observed
    ranges = dict.fromkeys((*graph.inputs, *graph.outputs), (-1.0, 1.0))
    parameters = settle_parameters(graph, plan, {**ranges, "s19": (-high / 2, high)}).activations
    found = {member.tensor: (member.dtype, each) for member, each in parameters.items()}
    assert found["s19"] == (DType.INT16, Quantization(np.array(2.0**power), np.array(0)))
    assert found["s18"] == found[graph.outputs[0]]


def test_rows_say_how_states_with_parameters_of_their_own_are_shown() -> None:
    for spec in OPS.values():
        assert (spec.show_states is not None) == any(role.dtype is not None for _, role in spec.states)
