"""UNIDIRECTIONAL_SEQUENCE_LSTM in C."""

from __future__ import annotations

import numpy as np

from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.ops.accumulate import AccumulatorConstants
from octavo.ops.prepare import prepared
from octavo.ops.recurrent_kernels import (
    BIASES,
    CELL,
    DATA,
    HIDDEN,
    INPUT_WEIGHTS,
    RECURRENT_WEIGHTS,
    LstmConstants,
    LstmOptions,
)
from octavo.write.c.call import Call
from octavo.write.c.constants import largest_sum
from octavo.write.c.pointwise import shared_sigmoid
from octavo.write.c.refuse import refuse
from octavo.write.c.text import array, braces, structure


def lower_lstm(graph: Graph, node: Node, prefix: str) -> Call:
    """UNIDIRECTIONAL_SEQUENCE_LSTM; its memory begins anew in every call of the model.

    Raises:
        UnsupportedLayerError: if weights are no constants or not symmetric, sums can leave 32 bits, or the model says
            what the memory begins with.
    """
    inputs, (y,), constants = operands(graph, node), results(graph, node), prepared(graph, node)
    assert isinstance(constants, LstmConstants)
    assert isinstance(node.options, LstmOptions)
    x, hidden, cell, units = inputs[DATA], inputs[HIDDEN], inputs[CELL], y.shape[-1]
    if not (hidden.is_variable and cell.is_variable) or cell.zero_point:
        raise refuse(
            node,
            got="a hidden state or a cell that is no variable, or a cell with a zero point",
            expected="variables, the cell symmetric",
            fix="convert the model again with a stateless layer, as Keras has it",
        )
    times, batch = x.shape[:2] if constants.time_major else (x.shape[1], x.shape[0])
    definitions: list[str] = []
    gates: list[list[str]] = []
    for kind, rules, weights in (
        ("driven", constants.driven, INPUT_WEIGHTS),
        ("recurrent", constants.recurrent, RECURRENT_WEIGHTS),
    ):
        gates.append([])
        for i, (rule, place) in enumerate(zip(rules, weights, strict=True)):
            bias = inputs.get(BIASES[i]) if kind == "driven" else None
            texts, value = _sums(node, f"{prefix}_{kind}_{i}", rule, inputs[place], bias)
            definitions += texts
            gates[-1].append(value)
    table, text = shared_sigmoid(prefix)
    clip, out = constants.cell_clip, constants.hidden
    fields = [
        ("times, sequences", f"{times}, {batch}"),
        ("features, units", f"{x.shape[-1]}, {units}"),
        ("step in time, to the next sequence", f"{batch}, 1" if constants.time_major else f"1, {times}"),
        ("zero points of x, h", f"{x.zero_point}, {hidden.zero_point}"),
        *((f"sums of {kind}", braces(each)) for kind, each in zip(("x", "h"), gates, strict=True)),
        *(
            (name, _factor(factor))
            for name, factor in (("f c", constants.kept), ("i g", constants.added), ("o tanh", constants.shown))
        ),
        ("c: shift, clip", f"{constants.cell_shift_bits}, {clip}"),
        ("low, high", f"{out.low}, {out.high}"),
        ("the logistic function", table),
    ]
    definitions += [text, structure("octavo_lstm", f"{prefix}_op", fields)]
    call = f"octavo_lstm_sequences(&{prefix}_op, {{x0}}, {{y}}, {{scratch}});"
    return Call(("sigmoid", "lstm"), tuple(definitions), (call,), scratch_bytes=11 * units)


def _sums(
    node: Node, name: str, rule: AccumulatorConstants, weights: Tensor, bias: Tensor | None
) -> tuple[list[str], str]:
    """Definitions of weights and bias, and the structure that points to them."""
    largest_sum(node, rule.input_offset, weights, 0, bias)
    assert weights.data is not None
    texts = [array("int8_t", f"{name}_weights", np.ascontiguousarray(weights.data))]
    if bias is not None and bias.data is not None:
        texts.append(array("int32_t", f"{name}_bias", bias.data))
    rules = rule.requantization
    factor = braces([int(rules.multiplier_q31[0]), int(rules.shift_bits[0])])
    return texts, braces([f"{name}_weights", f"{name}_bias" if len(texts) > 1 else "0", factor])


def _factor(multiplier: Multiplier) -> str:
    return braces([multiplier.multiplier_q31, multiplier.shift_bits])
