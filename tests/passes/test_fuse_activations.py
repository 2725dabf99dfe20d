"""fuse_activations."""

from __future__ import annotations

from pass_graphs import graph_of

from octavo.ops.fused import FusedActivation
from octavo.passes.affine import fused_activation
from octavo.passes.fuse_activations import fuse_activations


def test_an_activation_fuses_into_the_operator_before_and_keeps_its_name() -> None:
    graph, notes = fuse_activations(graph_of("a residual block"))
    fused = {node.outputs[0]: (node.op, fused_activation(node)) for node in graph.nodes}
    assert fused["relu"] == ("ADD", FusedActivation.RELU)
    assert fused["relu_2"] == ("CONV_2D", FusedActivation.RELU)
    assert "sum" not in graph.tensors
    assert notes == ()


def test_what_cannot_fuse_is_noted() -> None:
    graph, notes = fuse_activations(graph_of("activations in a row"))
    assert [node.op for node in graph.nodes] == ["FULLY_CONNECTED", "RELU", "FULLY_CONNECTED", "TANH", "RELU", "ADD"]
    assert {note.subject: note.text for note in notes} == {
        "b1": "RELU stays apart: 'a' has passed an activation already.",
    }
    _, notes = fuse_activations(graph_of("values read twice and values that are outputs"))
    assert {note.subject: note.text for note in notes} == {
        "relu": "RELU stays apart: 'conv' is also read elsewhere.",
        "relu_2": "RELU stays apart: 'conv_2' is also read elsewhere.",
    }
