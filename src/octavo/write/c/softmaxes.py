"""SOFTMAX and LOG_SOFTMAX in C."""

from __future__ import annotations

import numpy as np

from octavo.ir.graph import operands
from octavo.ir.types import Graph, Node
from octavo.numerics.transcendental import exp_on_negative_values
from octavo.ops.prepare import prepared
from octavo.ops.softmax import DIFFERENCE_BITS, DifferenceConstants, LogSoftmaxConstants, SoftmaxInt16Constants
from octavo.write.c.call import Call
from octavo.write.c.pointwise import shared_name
from octavo.write.c.refuse import refuse
from octavo.write.c.text import array, structure

# The sum of exponentials has 19 bits behind its point: so many of the largest leave 32 bits. And of Q0.15.
_CLASSES, _CLASSES_16 = 1 << 12, 1 << 16


def lower_softmax(graph: Graph, node: Node, prefix: str) -> Call:
    """SOFTMAX of eight bits; the exponentials of all differences that count are a table.

    Raises:
        UnsupportedLayerError: for rows whose sums leave 32 bits, where TensorFlow Lite Micro ends the process.
    """
    (x,), constants = operands(graph, node), prepared(graph, node)
    assert isinstance(constants, DifferenceConstants)
    columns = _columns(node, x.shape[-1], _CLASSES)
    exponentials = _exponentials(constants)
    fields = [
        ("rows, columns", f"{x.size // columns}, {columns}"),
        ("reach", str(len(exponentials))),
        ("exponentials", f"{prefix}_exponentials"),
    ]
    definitions = (
        array("int32_t", f"{prefix}_exponentials", exponentials),
        structure("octavo_softmax", f"{prefix}_op", fields),
    )
    call = f"octavo_softmax_rows(&{prefix}_op, {{x0}}, {{y}});"
    return Call(("reciprocal", "softmax"), definitions, (call,), reads_first=True)


def lower_log_softmax(graph: Graph, node: Node, prefix: str) -> Call:
    """LOG_SOFTMAX of eight bits.

    Raises:
        UnsupportedLayerError: likewise.
    """
    (x,), constants = operands(graph, node), prepared(graph, node)
    assert isinstance(constants, LogSoftmaxConstants)
    columns = _columns(node, x.shape[-1], _CLASSES)
    exponentials, factor, inverse = _exponentials(constants), constants.input_multiplier, constants.inverse_multiplier
    fields = [
        ("rows, columns", f"{x.size // columns}, {columns}"),
        ("reach", str(len(exponentials))),
        ("multiplier, shift", f"{factor.multiplier_q31}, {factor.shift_bits}"),
        ("back", f"{inverse.multiplier_q31}, {inverse.shift_bits}"),
        ("exponentials", f"{prefix}_exponentials"),
    ]
    definitions = (
        array("int32_t", f"{prefix}_exponentials", exponentials),
        structure("octavo_log_softmax", f"{prefix}_op", fields),
    )
    call = f"octavo_log_softmax_rows(&{prefix}_op, {{x0}}, {{y}});"
    return Call(("reciprocal", "log_softmax"), definitions, (call,), reads_first=True)


def lower_softmax_16(graph: Graph, node: Node, prefix: str) -> Call:
    """SOFTMAX of sixteen bits.

    Raises:
        UnsupportedLayerError: likewise.
    """
    (x,), constants = operands(graph, node), prepared(graph, node)
    assert isinstance(constants, SoftmaxInt16Constants)
    columns, factor = _columns(node, x.shape[-1], _CLASSES_16), constants.input_multiplier
    tables = {"exponentials": constants.exp_table, "reciprocals": constants.reciprocal_table}
    names = {what: shared_name(prefix, what) for what in tables}
    fields = [
        ("rows, columns", f"{x.size // columns}, {columns}"),
        ("multiplier, shift", f"{factor.multiplier_q31}, {factor.shift_bits}"),
        *((what, name) for what, name in names.items()),
    ]
    definitions = [array("int16_t", names[what], table) for what, table in tables.items()]
    definitions.append(structure("octavo_softmax_16", f"{prefix}_op", fields))
    call = f"octavo_softmax_rows_16(&{prefix}_op, {{x0}}, {{y}});"
    return Call(("interpolate", "reciprocal", "softmax_16"), tuple(definitions), (call,), reads_first=True)


def _exponentials(constants: DifferenceConstants) -> np.ndarray:
    """Of each difference to the row's maximum that counts, from 0 downwards."""
    steps = -np.arange(min(-constants.difference_min, 255) + 1, dtype=np.int64)
    return exp_on_negative_values(constants.input_multiplier.times(steps), DIFFERENCE_BITS)


def _columns(node: Node, columns: int, limit: int) -> int:
    if columns >= limit:
        raise refuse(
            node,
            got=f"a row of {columns} values",
            expected=f"fewer than {limit}, whose exponentials sum up in 32 bits",
            fix="end the model before the softmax; the largest score is the largest probability",
        )
    return columns
