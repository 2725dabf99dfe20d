"""Results over operands: where the op table or a kernel allows it memory is taken over, and nothing is lost by it."""

from __future__ import annotations

import numpy as np
import pytest

from bundled import random_bundle
from generated import NEEDS_COMPILER, quantized
from octavo.dtypes import DType
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions, DepthwiseConv2DOptions
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.spec import Example, OpSpec, Overlap
from octavo.ops.table import OPS
from octavo.write.c.layout import lay_out
from octavo.write.c.table import LOWERINGS, lower
from single_op import CASES, samples


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


def between_others(spec: OpSpec, example: Example) -> Graph:
    """An example whose inputs and result are the model's own: behind ABS and before it, quantized."""
    b = GraphBuilder("between")
    names: list[str | None] = []
    for i, shape in enumerate(example.shapes):
        if shape is not None:
            names.append(b.emit("ABS", [b.input(f"x{i}", shape)], suffix=f"a{i}"))
        else:
            names.append(b.constant(example.constants[i], f"c{i}") if i in example.constants else None)
    y = b.emit(spec.name, names, example.options, suffix="y")
    graph = b.finish((b.emit("ABS", [y], suffix="last"),))
    return quantized(graph, samples(graph, example))


def shares(graph: Graph) -> bool:
    """Whether the result of the operator between lies where one of its operands does."""
    calls = [lower(graph, node, f"m{i}") for i, node in enumerate(graph.nodes)]
    places = lay_out(graph, calls, [f"in{i}" for i in range(len(graph.inputs))], ["out"]).places
    node = next(node for node in graph.nodes if node.outputs == graph.nodes[-1].inputs)
    return any(places.get(str(name)) == places[node.outputs[0]] for name in node.inputs)


def takes_over(spec: OpSpec) -> bool:
    return spec.in_place is not None and spec.in_place.overlap in (Overlap.ELEMENTWISE, Overlap.ALIAS)


CLAIMING = [name for name, (spec, _) in CASES.items() if spec.name in LOWERINGS[DType.INT8] and takes_over(spec)]
# By what the C kernels read first, not by the row alone: a row of scores, the pixel of a window of one tap, an image's
# rows under a window.
BY_KERNEL = {
    "SOFTMAX-0": CASES["SOFTMAX-0"],
    "rows of an image": (
        OPS["DEPTHWISE_CONV_2D"],
        Example(((2, 7, 5, 6), None, None), {1: normal(1, 5, 3, 6), 2: normal(6)}, DepthwiseConv2DOptions()),
    ),
    "rows of one pixel": (
        OPS["DEPTHWISE_CONV_2D"],
        Example(((1, 9, 1, 5), None, None), {1: normal(1, 4, 1, 5), 2: normal(5)}, DepthwiseConv2DOptions()),
    ),
    "one tap": (
        OPS["CONV_2D"],
        Example(((1, 3, 5, 6), None, None), {1: normal(6, 1, 1, 6), 2: normal(6)}, Conv2DOptions()),
    ),
    "as many out as in": (
        OPS["FULLY_CONNECTED"],
        Example(((1, 3, 7), None, None), {1: normal(7, 7), 2: normal(7)}, FullyConnectedOptions(keep_num_dims=True)),
    ),
}
OF_OTHER_SIZES = (
    OPS["CONV_2D"],
    Example(((1, 3, 5, 6), None, None), {1: normal(5, 1, 1, 6), 2: normal(5)}, Conv2DOptions()),
)
NEVER = {
    "one tap, fewer channels": OF_OTHER_SIZES,
    **{
        name: CASES[name]
        for name in ("SLICE-0", "DEPTHWISE_CONV_2D-1", "TRANSPOSE-0", "CONV_2D-0", "CONCATENATION-0", "MEAN-0")
    },
}
SEVERAL = {**{name: CASES[name] for name in CLAIMING}, **BY_KERNEL, **NEVER}


@pytest.fixture(scope="module")
def graphs() -> dict[str, Graph]:
    return {name: between_others(*case) for name, case in SEVERAL.items()}


@pytest.fixture(scope="module")
def from_host(graphs: dict[str, Graph], tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return random_bundle(graphs, 10).on_host(tmp_path_factory.mktemp("host"))


@pytest.mark.parametrize("name", CLAIMING)
def test_memory_that_the_op_table_grants_is_taken(name: str, graphs: dict[str, Graph]) -> None:
    graph = graphs[name]
    node = next(node for node in graph.nodes if node.outputs == graph.nodes[-1].inputs)
    size = graph.tensors[node.outputs[0]].size
    claim = OPS[node.op].in_place
    assert claim is not None
    own = [graph.tensors[str(node.inputs[i])] for i in claim.inputs]
    assert shares(graph) == any(tensor.size == size and tensor.data is None for tensor in own)


def test_what_only_a_kernel_knows_is_taken_and_the_rest_lies_apart(graphs: dict[str, Graph]) -> None:
    assert all(shares(graphs[name]) for name in BY_KERNEL)
    assert not any(shares(graphs[name]) for name in NEVER)


@NEEDS_COMPILER
@pytest.mark.parametrize("name", SEVERAL)
def test_results_over_operands_equal_the_reference(
    name: str, graphs: dict[str, Graph], from_host: dict[str, np.ndarray]
) -> None:
    np.testing.assert_array_equal(from_host[name], random_bundle(graphs, 10).expected(name))
