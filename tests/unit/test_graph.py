"""The graph: frozen values, and edits that return new graphs."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.ir import graph as edits
from octavo.ir.types import Graph, Node, PerAxis, Quantization, Tensor


@pytest.fixture
def diamond() -> Graph:
    """x -> a -> (b, c) -> d, and a branch `dead` that nothing reads."""
    names = ("x", "a", "b", "c", "d", "dead")
    nodes = (
        Node("RELU", ("x",), ("a",)),
        Node("RELU", ("a",), ("b",)),
        Node("RELU", ("a",), ("c",)),
        Node("ADD", ("b", "c"), ("d",)),
        Node("RELU", ("a",), ("dead",)),
    )
    return Graph("diamond", {name: Tensor(name, (1, 2)) for name in names}, nodes, ("x",), ("d",))


def test_producers_know_what_operators_make_and_not_the_inputs(diamond: Graph) -> None:
    assert {name: node.op for name, node in edits.producers(diamond).items()} == {
        "a": "RELU", "b": "RELU", "c": "RELU", "d": "ADD", "dead": "RELU",
    }  # fmt: skip


def test_consumers_come_in_execution_order_and_count_a_node_once(diamond: Graph) -> None:
    squared = replace(diamond, nodes=(*diamond.nodes, Node("MUL", ("d", "d"), ("square",))))
    readers = edits.consumers(edits.with_tensors(squared, [Tensor("square", (1, 2))]))
    assert [node.outputs[0] for node in readers["a"]] == ["b", "c", "dead"]
    assert len(readers["d"]) == 1
    assert readers["square"] == ()


def test_operands_leave_a_place_for_absent_inputs(diamond: Graph) -> None:
    node = Node("FULLY_CONNECTED", ("x", None, "a"), ("d",))
    assert edits.operands(diamond, node).items == (diamond.tensors["x"], None, diamond.tensors["a"])
    assert edits.results(diamond, node) == (diamond.tensors["d"],)


def test_dead_operators_go_with_their_tensors(diamond: Graph) -> None:
    live = edits.drop_dead(diamond)
    assert [node.outputs[0] for node in live.nodes] == ["a", "b", "c", "d"]
    assert set(live.tensors) == {"x", "a", "b", "c", "d"}
    assert edits.drop_dead(live) is live


def test_unused_tensors_go_and_without_any_the_same_graph_comes_back(diamond: Graph) -> None:
    littered = edits.with_tensors(diamond, [Tensor("nobody", (3,))])
    assert "nobody" in littered.tensors
    assert "nobody" not in edits.drop_unused(littered).tensors
    assert edits.drop_unused(diamond) is diamond


def test_new_nodes_bring_their_tensors(diamond: Graph) -> None:
    extended = edits.with_nodes(diamond, (*diamond.nodes, Node("RELU", ("d",), ("e",))), [Tensor("e", (1, 2))])
    assert extended.tensors["e"].shape == (1, 2)
    assert "e" not in diamond.tensors


def test_renaming_inputs_leaves_other_nodes_as_they_are(diamond: Graph) -> None:
    renamed = edits.rename_inputs(diamond.nodes, {"b": "x"})
    assert renamed[3].inputs == ("x", "c")
    assert all(new is old for new, old in zip(renamed[:3], diamond.nodes[:3], strict=True))


def test_a_fresh_name_is_the_wanted_one_or_counts_up() -> None:
    assert edits.fresh_name([], "a") == "a"
    assert edits.fresh_name(iter(["a", "a_1"]), "a") == "a_2"
    assert edits.fresh_name({"a": 0}, "a") == "a_1"


def test_graphs_tensors_and_constants_cannot_be_changed(diamond: Graph) -> None:
    values = np.zeros(2, np.float32)
    tensor = Tensor("k", (2,), data=values)
    assert tensor.data is not None
    with pytest.raises(ValueError, match="read-only"):
        tensor.data[0] = 1
    values[0] = 1
    with pytest.raises(FrozenInstanceError):
        tensor.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        diamond.tensors["x"] = tensor  # type: ignore[index]


def test_parameters_are_equal_by_value() -> None:
    one = Quantization(np.array([0.5, 0.25]), np.array([0, 0]), PerAxis(0))
    other = Quantization(np.array([0.5, 0.25], np.float32), np.array([0, 0]), PerAxis(0))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Quantization(np.array([0.5, 0.25]), np.array([0, 0]), PerAxis(1))


def test_a_tensor_counts_its_elements() -> None:
    assert Tensor("t", (2, 3, 4)).size == 24
    assert Tensor("scalar", ()).size == 1
    assert Tensor("empty", (0, 3), DType.INT32).size == 0
