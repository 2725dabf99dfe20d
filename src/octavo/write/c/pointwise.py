"""Functions of one number in C: tables of eight bits; of sixteen straight lines, interpolated tables, sigmoids."""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.ir.graph import operands, results
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.numerics.lookup import sigmoid_table
from octavo.ops.activation import LeakyReluConstants
from octavo.ops.lookup import Table
from octavo.ops.pointwise import Rescale
from octavo.ops.prepare import integer_kernel, prepared
from octavo.ops.sigmoid import InterpolatingConstants
from octavo.write.c.call import Call, Lowering, Rows
from octavo.write.c.text import array, braces, structure


def lower_look_up(graph: Graph, node: Node, prefix: str) -> Call:
    """Any function of eight bits: its integer kernel, on each of them."""
    (x,), (y,) = operands(graph, node), results(graph, node)
    # Entries are in the order of int8, by which the kernel reads bytes without a sign, too.
    every = Inputs([np.arange(-128, 128, dtype=np.int8).view(x.dtype.numpy)])
    values = integer_kernel(node).run(prepared(graph, node), every)[0]
    wide = y.dtype is DType.INT16
    table = array("int16_t" if wide else "int8_t", f"{prefix}_table", values if wide else values.view(np.int8))
    function = "octavo_look_up_wide" if wide else "octavo_look_up"
    call = f"{function}({prefix}_table, {_bytes('const int8_t', x, 'x0')}, {_bytes('int8_t', y, 'y')}, {{count}});"
    return Call(("lookup",), (table,), (over_all(call, y),), rows=over_rows(call, y))


def _bytes(kind: str, tensor: Tensor, word: str) -> str:
    """An operand or result from its first value to be looked up on, as the kernel takes it."""
    expression = f"{{{word}}}{{from}}"
    return f"({kind} *)({expression})" if tensor.dtype is DType.UINT8 else expression


def lower_line(graph: Graph, node: Node, prefix: str) -> Call:
    """RELU, RELU6, ABS, LEAKY_RELU and QUANTIZE of sixteen bits."""
    (y,), constants = results(graph, node), prepared(graph, node)
    if isinstance(constants, LeakyReluConstants):
        above, below = _slope(1, constants.identity), _slope(1, constants.alpha)
    else:
        assert isinstance(constants, Rescale)
        above = _slope(1, constants.multiplier)
        below = _slope(-1 if node.op == "ABS" else 1, constants.multiplier)
    fields = [
        ("offset", str(constants.input_offset)),
        ("above zero: before, multiplier, shift, after", above),
        ("below", below),
        (
            "out: zero point, low, high",
            f"{constants.output.output_zero_point}, {constants.output.low}, {constants.output.high}",
        ),
    ]
    function = "octavo_rescale_16" if y.dtype is DType.INT16 else "octavo_rescale_16_to_8"
    return _applied("rescale", function, structure("octavo_line", f"{prefix}_op", fields), prefix, y)


def _slope(before: int, multiplier: Multiplier) -> str:
    after = -1 if multiplier.multiplier_q31 < 0 else 1
    return braces([before, abs(multiplier.multiplier_q31), multiplier.shift_bits, after])


def lower_interpolated(graph: Graph, node: Node, prefix: str) -> Call:
    """A tabulated function of sixteen bits."""
    (y,), constants = results(graph, node), prepared(graph, node)
    assert isinstance(constants, Table)
    table = array("int16_t", f"{prefix}_table", constants.entries)
    call = f"octavo_interpolate({prefix}_table, {{x0}}{{from}}, {{y}}{{from}}, {{count}});"
    return Call(("interpolate",), (table,), (over_all(call, y),), rows=over_rows(call, y))


def lower_sigmoid(function: str) -> Lowering:
    """LOGISTIC or TANH of sixteen bits by the kernel `function`."""

    def lower(graph: Graph, node: Node, prefix: str) -> Call:
        (y,), constants = results(graph, node), prepared(graph, node)
        assert isinstance(constants, InterpolatingConstants)
        name, table = shared_sigmoid(prefix)
        fields = [
            ("multiplier, shift", f"{constants.input_multiplier}, {constants.input_shift_bits}"),
            ("the logistic function", name),
        ]
        call = _applied("sigmoid", function, structure("octavo_sigmoid", f"{prefix}_op", fields), prefix, y)
        return Call(call.kernels, (table, *call.constants), call.statements, rows=call.rows)

    return lower


def shared_sigmoid(prefix: str) -> tuple[str, str]:
    """Name and definition of the table of the logistic function, which all operators of a model share."""
    name = shared_name(prefix, "sigmoid")
    return name, array("uint16_t", name, sigmoid_table())


def shared_name(prefix: str, what: str) -> str:
    """Of a constant that is the same for all operators: by the model's name, not by the operator's."""
    return f"{prefix.rsplit('_', 1)[0]}_{what}"


def _applied(kernel: str, function: str, definition: str, prefix: str, y: Tensor) -> Call:
    call = f"{function}(&{prefix}_op, {{x0}}{{from}}, {{y}}{{from}}, {{count}});"
    return Call((kernel,), (definition,), (over_all(call, y),), rows=over_rows(call, y))


def over_all(call: str, y: Tensor) -> str:
    """An elementwise call for all of a result."""
    return call.replace("{from}", "").replace("{count}", str(y.size))


def over_rows(call: str, y: Tensor) -> Rows | None:
    """The same for some rows of it, None if it has none."""
    if len(y.shape) != 4:
        return None
    row = y.shape[2] * y.shape[3]
    return Rows(call.replace("{from}", f" + {{begin}} * {row}").replace("{count}", f"({{end}} - {{begin}}) * {row}"))
