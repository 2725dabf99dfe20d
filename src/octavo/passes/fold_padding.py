"""Fold explicit zero padding into the layer that reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from octavo.ir.notes import Note
from octavo.ir.types import Graph, Node, Shape
from octavo.ops.fused import REAL_BOUNDS
from octavo.ops.table import spec_of
from octavo.ops.window import Border, Padding, pad_before_after
from octavo.passes.affine import fused_activation
from octavo.passes.edit import GraphEdit
from octavo.passes.graph_pass import graph_pass


@graph_pass(keeps_values=True, makes_activations=False)
def fold_padding(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """Let a layer do the padding that a PAD does before it.

        PAD -> CONV valid      =>  CONV same
        PAD -> MAX_POOL valid  =>  MAX_POOL same     where the input is not negative, so that zeros cannot win

    Applies where SAME would put exactly as many cells on each side as PAD does, around height and width only. With a
    stride SAME puts fewer in front than a symmetric PAD, so that for even sizes it does not. Nor does it for
    AVERAGE_POOL, whose SAME leaves padded cells out of the average.
    """
    edit, notes = GraphEdit(graph), []
    for node in edit.nodes():
        pad = edit.producer(node.inputs[0]) if node.inputs else None
        window = valid_window(edit, node)
        if pad is None or pad.op != "PAD" or window is None:
            continue
        reason = _refusal(edit, pad, node, window)
        if reason is not None:
            notes.append(Note("fold_padding", node.layer, f"padding stays a PAD before {node.op}: {reason}."))
            continue
        old = (pad, node) if edit.only_reader(pad.outputs[0]) is not None else (node,)
        options = replace(node.options, padding=Padding.SAME)  # type: ignore[type-var]
        edit.replace(old, (replace(node, inputs=(pad.inputs[0], *node.inputs[1:]), options=options),))
    return edit.finish(), tuple(notes)


def valid_window(edit: GraphEdit, node: Node) -> tuple[int, int] | None:
    """(height, width) of a window that slides without padding of its own, None for other nodes."""
    window, options = spec_of(node.op).window, node.options
    if window is None or getattr(options, "padding", None) is not Padding.VALID:
        return None
    return window(options, edit.operands(node))


def _refusal(edit: GraphEdit, pad: Node, node: Node, window: tuple[int, int]) -> str | None:
    pads, border = edit.constant(pad.inputs[1]), spec_of(node.op).border
    if pads is None:
        return "its paddings are not constant"
    if pads.tolist() != _same_pads(edit.tensors[str(pad.inputs[0])].shape, node, window):
        return "padding 'same' would pad otherwise"
    if border is Border.LOWEST and not is_not_negative(edit.producer(pad.inputs[0])):
        return "its zeros may be the maximum of a window"
    if border is Border.NOTHING:
        return "its zeros count in the result"
    return None


def _same_pads(shape: Shape, node: Node, window: tuple[int, int]) -> list[list[int]]:
    """The paddings SAME stands for, as a PAD states them."""
    options: Any = node.options
    strides = (options.stride_h, options.stride_w)
    dilations = (getattr(options, "dilation_h_factor", 1), getattr(options, "dilation_w_factor", 1))
    spatial = [pad_before_after(shape[1 + i], window[i], strides[i], Padding.SAME, dilations[i]) for i in (0, 1)]
    return [[0, 0], *map(list, spatial), [0, 0]]


def is_not_negative(producer: Node | None) -> bool:
    """Whether a node's results are known to be 0 or more."""
    if producer is None:
        return False
    return max(spec_of(producer.op).bounds[0], REAL_BOUNDS[fused_activation(producer)][0]) >= 0
