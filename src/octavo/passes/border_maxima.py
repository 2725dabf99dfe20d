"""Write the infinity around images whose maxima are taken as values that cannot win."""

from __future__ import annotations

import numpy as np

from octavo.ir.types import Graph, Node
from octavo.ops.pad import MirrorMode, MirrorPadOptions
from octavo.ops.table import spec_of
from octavo.ops.window import Border
from octavo.passes.bound_masks import BEYOND
from octavo.passes.edit import GraphEdit
from octavo.passes.fold_padding import is_not_negative, valid_window


def border_maxima(graph: Graph) -> Graph:
    """Give MAX_POOL a border that leaves its results as they are and takes no steps from the values.

        PADV2(x, -inf) -> MAX_POOL valid  =>  PAD(x) -> MAX_POOL valid           where x is not negative
        PADV2(x, -inf) -> MAX_POOL valid  =>  MIRROR_PAD(x) -> MAX_POOL valid    else

    A mirrored value changes no maximum as long as the window that meets it holds the value itself, too: padding of at
    most half the window, which is all that PyTorch allows, does so. Does not apply where some window would not, nor
    where anything else reads the border. Comes before the check that constants are finite.
    """
    edit = GraphEdit(graph)
    for node in edit.nodes():
        value = edit.constant(node.inputs[2]) if node.op == "PADV2" else None
        if value is None or value.size != 1 or value.item() > -BEYOND or not _only_pools(edit, node):
            continue
        x, pads, _ = node.inputs
        name = node.outputs[0]
        if is_not_negative(edit.producer(x)):
            bordered = Node("PAD", (x, pads), (name,), spec_of("PAD").options(), node.layer)
        else:
            bordered = Node("MIRROR_PAD", (x, pads), (name,), MirrorPadOptions(MirrorMode.SYMMETRIC), node.layer)
        edit.replace((node,), (bordered,))
    return edit.finish()


def _only_pools(edit: GraphEdit, pad: Node) -> bool:
    """Whether only maxima of windows read a border, each of them of a window that holds what is mirrored into it."""
    pads, shape, readers = edit.constant(pad.inputs[1]), edit.tensors[str(pad.inputs[0])].shape, edit.readers
    return (
        pads is not None
        and len(shape) == 4
        and not pads[[0, 3]].any()
        and not edit.is_output(pad.outputs[0])
        and all(_holds_mirrored(edit, reader, shape[1:3], pads[1:3]) for reader in readers(pad.outputs[0]))
    )


def _holds_mirrored(edit: GraphEdit, pool: Node, sizes: tuple[int, ...], pads: np.ndarray) -> bool:
    window, options = valid_window(edit, pool), pool.options
    if window is None or spec_of(pool.op).border is not Border.LOWEST:
        return False
    strides = (options.stride_h, options.stride_w)  # type: ignore[attr-defined]
    return all(map(_in_same_windows, sizes, pads.tolist(), window, strides))


def _in_same_windows(size: int, pads: list[int], window: int, stride: int) -> bool:
    """Whether every window along a mirrored dimension holds all that it meets beyond the ends within them, too."""
    if max(pads) > size:
        return False
    cells = np.pad(np.arange(size), pads, mode="symmetric")
    within = np.pad(np.ones(size, bool), pads)
    held = (slice(start, start + window) for start in range(0, len(cells) - window + 1, stride))
    return all(np.isin(cells[each], cells[each][within[each]]).all() for each in held)
