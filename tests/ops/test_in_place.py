"""What a row says of outputs that lie over inputs holds: what was written already changes nothing still to come."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.config import QuantizeConfig
from octavo.ir.types import Graph
from octavo.ops.prepare import prepared
from octavo.ops.spec import InPlace, OpSpec, Overlap
from octavo.ops.table import OPS
from octavo.run import reference
from single_op import CASES, INTEGER_CASES, Values, as_integers, float_graph, integer_graph, samples

ROUNDS = 5
ALL = {**CASES, **INTEGER_CASES}


def single(name: str) -> tuple[OpSpec, Graph, Values]:
    """An example as a graph, of integers where its name says a scheme, and inputs for it."""
    spec, example = ALL[name][:2]
    graph = float_graph(spec, example)
    inputs = samples(graph, example)
    if name not in INTEGER_CASES:
        return spec, graph, inputs[0]
    config: QuantizeConfig = INTEGER_CASES[name][2]
    integer = integer_graph(graph, inputs, config)
    return spec, integer, as_integers(integer, inputs[0])


def run(graph: Graph, inputs: Values) -> np.ndarray:
    """The first result; elements that were overwritten by what no input would hold may be anything."""
    with np.errstate(all="ignore"):
        return reference.run(graph, inputs)[graph.outputs[0]]


def takes(graph: Graph, claim: InPlace) -> list[str]:
    """The inputs whose memory a planner may give to the output: no constants, and none that is broadcast."""
    names = [graph.nodes[-1].inputs[index] for index in claim.inputs]
    shape = graph.tensors[graph.outputs[0]].shape
    one_to_one = claim.overlap is Overlap.ELEMENTWISE
    return [name for name in names if name in graph.inputs and not (one_to_one and graph.tensors[name].shape != shape)]


def check(graph: Graph, inputs: Values, name: str, overlap: Overlap) -> None:
    """Write parts of the output over the input `name` and compare the rest of the output."""
    x, y = inputs[name], run(graph, inputs)
    assert x.itemsize == y.itemsize
    rng = np.random.default_rng(2)
    if overlap is Overlap.ALIAS:
        assert x.tobytes() == y.tobytes()
        return
    for round_ in range(ROUNDS):
        changed = x.copy()
        if overlap is Overlap.ELEMENTWISE:
            written = rng.random(x.shape) < (1 + round_) / (1 + ROUNDS)
            changed[written] = y[written]
        elif overlap is Overlap.FORWARD:
            count = y.size * (1 + round_) // (1 + ROUNDS)
            changed.reshape(-1)[:count] = y.reshape(-1)[:count]
            written = (np.arange(y.size) < count).reshape(y.shape)
        else:
            window, row = prepared(graph, graph.nodes[-1]).window, y.shape[1] * (1 + round_) // (1 + ROUNDS)
            gone = changed[:, : max(0, row * window.stride_h - window.pad_top)]
            gone[...] = rng.integers(-128, 128, gone.shape)
            written = np.broadcast_to(np.arange(y.shape[1])[:, None, None] < row, y.shape)
        again = run(graph, {**inputs, name: changed})
        assert np.array_equal(again[~written], y[~written])


def claiming(name: str) -> bool:
    """Whether an example shows an operator that claims anything, by a kernel whose constants tell its rows."""
    claim = ALL[name][0].in_place
    return claim is not None and (claim.overlap is not Overlap.ROWS or name in INTEGER_CASES)


@pytest.mark.parametrize("name", list(filter(claiming, ALL)))
def test_what_was_written_over_an_input_changes_nothing_still_to_come(name: str) -> None:
    spec, graph, inputs = single(name)
    assert spec.in_place is not None
    for taken in takes(graph, spec.in_place):
        check(graph, inputs, taken, spec.in_place.overlap)


def test_every_input_that_a_row_names_is_shown_by_an_example() -> None:
    shown = set()
    for name in filter(claiming, ALL):
        spec, graph, _ = single(name)
        assert spec.in_place is not None
        shown.update((spec.name, taken) for taken in takes(graph, spec.in_place))
    # Between types there are no examples; QUANTIZE of integers is what RELU does, without the clamp.
    claimed = {(spec.name, f"x{i}") for spec in OPS.values() if spec.in_place for i in spec.in_place.inputs}
    assert shown == claimed - {("QUANTIZE", "x0")}


@pytest.mark.parametrize(
    ("name", "overlap"),
    [
        ("SOFTMAX-0-int8", Overlap.ELEMENTWISE),
        ("MIRROR_PAD-0-int8", Overlap.FORWARD),
        ("TRANSPOSE-0-int8", Overlap.ALIAS),
        ("TRANSPOSE-0-int8", Overlap.FORWARD),
    ],
)
def test_a_claim_that_does_not_hold_is_found(name: str, overlap: Overlap) -> None:
    _, graph, inputs = single(name)
    with pytest.raises(AssertionError):
        check(graph, inputs, graph.inputs[0], overlap)


def test_rows_that_a_window_reaches_must_be_kept() -> None:
    _, graph, inputs = single("DEPTHWISE_CONV_2D-0-int8")
    window = prepared(graph, graph.nodes[0]).window
    assert (window.stride_h, window.pad_top) == (1, 1)
    y, changed = run(graph, inputs), inputs["x0"].copy()
    changed[:, :3] ^= 0x55
    again = run(graph, {"x0": changed})
    assert np.array_equal(again[:, 4:], y[:, 4:])
    assert not np.array_equal(again[:, 3], y[:, 3])
