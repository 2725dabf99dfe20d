"""What the op table counts as multiply-accumulates, against a count of the float reference's own products."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.ir.graph import operands, results
from octavo.ir.inputs import Inputs
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions
from octavo.ops.spec import Example, OpSpec
from octavo.ops.table import OPS
from octavo.ops.window import Padding
from single_op import CASES, float_graph

COUNTED = [name for name, (spec, _) in CASES.items() if spec.name in ("FULLY_CONNECTED", "BATCH_MATMUL")]
WEIGHTED = [name for name, (spec, _) in CASES.items() if spec.weights]


def products(spec: OpSpec, example: Example) -> int:
    graph = float_graph(spec, example)
    (node,) = graph.nodes
    return spec.products(node.options, operands(graph, node), results(graph, node))


def ones(spec: OpSpec, example: Example) -> float:
    """The sum of an operator's results where all operands are 1 and biases 0: how many products it adds up."""
    graph = float_graph(spec, example)
    (node,) = graph.nodes
    bias = {i for i, _ in spec.biases}
    arrays = [
        None if t is None else np.zeros(t.shape, np.float32) if i in bias else np.ones(t.shape, np.float32)
        for i, t in enumerate(operands(graph, node).items)
    ]
    return float(spec.run_float(node.options, Inputs(arrays))[0].sum())


@pytest.mark.parametrize("name", COUNTED)
def test_matrix_products_are_all_that_are_added_up(name: str) -> None:
    assert products(*CASES[name]) == ones(*CASES[name])


@pytest.mark.parametrize("name", WEIGHTED)
def test_whatever_has_weights_multiplies_each_at_least_once(name: str) -> None:
    spec, example = CASES[name]
    assert products(spec, example) >= max(example.constants[i].size for i, _ in spec.weights if i in example.constants)


def test_the_networks_of_the_books_have_their_counts() -> None:
    b = GraphBuilder("stem")
    y = b.emit("CONV_2D", [b.input("x", (1, 32, 32, 3)), b.constant(np.ones((16, 3, 3, 3), np.float32), "w"), None],
               Conv2DOptions(Padding.SAME))  # fmt: skip
    graph = b.finish((y,))
    (node,) = graph.nodes
    assert OPS["CONV_2D"].products(node.options, operands(graph, node), results(graph, node)) == 32 * 32 * 16 * 27
