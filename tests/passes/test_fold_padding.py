"""fold_padding."""

from __future__ import annotations

from pass_graphs import graph_of

from octavo.ops.text import parse_graph
from octavo.ops.window import Padding
from octavo.passes import run_passes
from octavo.passes.fold_padding import fold_padding


def test_padding_folds_exactly_where_same_means_the_same() -> None:
    graph, notes = fold_padding(graph_of("padding"))
    inputs = {node.outputs[0]: (node.inputs[0], getattr(node.options, "padding", None)) for node in graph.nodes}
    assert inputs["y_1"] == ("half", Padding.SAME)
    assert inputs["y_2"] == ("pad_2", Padding.VALID)
    assert inputs["y_3"] == ("x", Padding.SAME)
    assert inputs["y_4"] == ("relu", Padding.SAME)
    assert inputs["y_5"] == ("pad_1", Padding.VALID)
    assert inputs["y_6"] == ("pad_4", Padding.VALID)
    assert {note.subject: note.text for note in notes} == {
        "strided": "padding stays a PAD before CONV_2D: padding 'same' would pad otherwise.",
        "max_signed": "padding stays a PAD before MAX_POOL_2D: its zeros may be the maximum of a window.",
        "mean": "padding stays a PAD before AVERAGE_POOL_2D: its zeros count in the result.",
    }


def test_a_padding_that_nothing_else_reads_goes_and_a_scaling_before_it_too() -> None:
    graph, notes = run_passes(
        parse_graph(
            """
            input x: float32[1,8,8,3]
            const s: float32[] = 0.5
            const pads: int32[4,2] = 0 0 0 1 0 1 0 0
            const k: float32[1,3,3,3] = normal(1)
            const b: float32[3] = normal(2)
            half = MUL(x, s)
            padded = PAD(half, pads)
            y = DEPTHWISE_CONV_2D(padded, k, b) {padding=VALID, stride_w=2, stride_h=2}
            output y
            """
        )
    )
    assert [(node.op, node.inputs[0]) for node in graph.nodes] == [("DEPTHWISE_CONV_2D", "x")]
    assert notes == ()
