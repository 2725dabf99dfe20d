"""fold_constants."""

from __future__ import annotations

import numpy as np
import pytest
from pass_graphs import graph_of

from octavo.errors import InputError
from octavo.ops.text import parse_graph
from octavo.passes.fold_constants import fold_constants


def test_what_depends_on_constants_alone_becomes_one() -> None:
    graph, notes = fold_constants(graph_of("computed constants"))
    assert [node.outputs[0] for node in graph.nodes] == ["y", "alone"]
    kernel, bias = graph.tensors["kernel"].data, graph.tensors["bias"].data
    assert kernel is not None
    assert bias is not None
    assert kernel.shape == (4, 1, 1, 2)
    assert "hwio" not in graph.tensors
    assert [(note.subject, "graph output" in note.text) for note in notes] == [("alone", True)]


def test_constants_fold_through_several_operators() -> None:
    graph, _ = fold_constants(
        parse_graph(
            """
            input x: float32[1,2]
            const a: float32[2] = 1 2
            b = ADD(a, a)
            c = MUL(b, b)
            y = ADD(x, c)
            output y
            """
        )
    )
    assert len(graph.nodes) == 1
    assert np.array_equal(graph.tensors["c"].data, [4, 16])  # type: ignore[arg-type]


def test_indices_beyond_a_table_of_constants_are_refused() -> None:
    """As positions of a sequence longer than the model has places for."""
    graph = parse_graph(
        """
        input x: float32[1,2]
        const table: float32[2] = 1 2
        const places: int32[2] = 1 2
        b = GATHER(table, places)
        y = ADD(x, b)
        output y
        """
    )
    with pytest.raises(InputError, match=r"(?s)GATHER of layer .*index 2.*fix: +give samples, or an input_shape"):
        fold_constants(graph)


def test_quantized_constants_are_left_to_their_operators() -> None:
    graph = parse_graph(
        """
        input x: float32[1,2]
        const a: int8[2] q(0.5; 1) = 3 5
        b: float32[2] = DEQUANTIZE(a)
        y = ADD(x, b)
        output y
        """
    )
    assert fold_constants(graph)[0] is graph
