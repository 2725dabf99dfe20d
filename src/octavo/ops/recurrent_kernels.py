"""The reference kernels of UNIDIRECTIONAL_SEQUENCE_LSTM.

i, f, o = logistic(W x + R h + b), one W, R and b each;   g = tanh(W x + R h + b)
c = f c + i g;   h = o tanh(c)
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Quantization, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.numerics.lookup import logistic_of_positions, tanh_of_positions
from octavo.ops.accumulate import AccumulatorConstants, centred, requantization
from octavo.ops.fused import FusedActivation, Output, output_of

# Places of the inputs; those of weights and biases are of the input, forget, cell and output gate.
DATA, HIDDEN, CELL = 0, 18, 19
INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES = range(1, 5), range(5, 9), range(12, 16)
# Sums that gates are functions of, and their values, in int16.
GATE_INPUT_SCALE, GATE_SCALE = 2.0**-12, 2.0**-15
_LARGEST = 32767
_GATE_INPUT = Tensor("gate", (), DType.INT16, None, Quantization(np.array(GATE_INPUT_SCALE), np.array(0)))


class CellActivation(enum.IntEnum):
    """The function of the cell gate and of the cell, as the schema numbers it."""

    TANH = 4


@dataclass(frozen=True, slots=True)
class LstmOptions(Options):
    """Options of UNIDIRECTIONAL_SEQUENCE_LSTM.

    Attributes:
        fused_activation_function: Of the cell gate.
        cell_clip: Magnitude that the cell is clipped to; 0 clips nothing.
        time_major: Whether data are [time, batch, features], else [batch, time, features].
    """

    table = "UnidirectionalSequenceLSTMOptions"
    fused_activation_function: CellActivation = CellActivation.TANH
    cell_clip: float = 0.0
    time_major: bool = False


def lstm_float(options: LstmOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Float reference: the values of h at all times, then h and c as they are left."""
    x, recurrent = _time_first(inputs[DATA], time_major=options.time_major), [inputs[i] for i in RECURRENT_WEIGHTS]
    driven = [x @ inputs[i].T + inputs[b] for i, b in zip(INPUT_WEIGHTS, BIASES, strict=True)]
    hidden, cell = (_for_batch(inputs[place], x.shape[1], len(recurrent[0])) for place in (HIDDEN, CELL))
    values = []
    for t in range(len(x)):
        i, f, g, o = (drive[t] + hidden @ r.T for drive, r in zip(driven, recurrent, strict=True))
        cell = _logistic(f) * cell + _logistic(i) * np.tanh(g)
        if options.cell_clip > 0:
            cell = np.clip(cell, -options.cell_clip, options.cell_clip).astype(cell.dtype)
        hidden = _logistic(o) * np.tanh(cell)
        values.append(hidden)
    return _time_first(np.stack(values), time_major=options.time_major), hidden, cell


@dataclass(frozen=True, slots=True, eq=False)
class LstmConstants:
    """What UNIDIRECTIONAL_SEQUENCE_LSTM runs with.

    Attributes:
        driven: Of each gate, the sums of data times weights: an int16 in 2**-12.
        recurrent: Likewise of h times weights.
        kept, added, shown: What multiplies `f c` and `i g` to steps of c, and `o tanh(c)` to steps of h.
        cell_shift_bits: A step of c is `3 * 2**cell_shift_bits` positions of the table of tanh.
        cell_clip: Steps that c is clipped to; 32768 clips nothing.
        hidden: How h is stored.
        time_major: As in the options.
    """

    driven: tuple[AccumulatorConstants, ...]
    recurrent: tuple[AccumulatorConstants, ...]
    kept: Multiplier
    added: Multiplier
    shown: Multiplier
    cell_shift_bits: int
    cell_clip: int
    hidden: Output
    time_major: bool


def prepare_lstm(options: LstmOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> LstmConstants:
    """The constants of UNIDIRECTIONAL_SEQUENCE_LSTM.

    Source: tensorflow/lite/micro/kernels/lstm_eval_common.cc.
    """
    hidden, cell = inputs[HIDDEN], inputs[CELL]

    def sums(data: Tensor, weight: Tensor, bias: Tensor | None) -> AccumulatorConstants:
        rules = requantization(data, weight, bias, _GATE_INPUT, FusedActivation.NONE)
        return AccumulatorConstants(-data.zero_point, rules)

    clip = float(np.float32(options.cell_clip))
    return LstmConstants(
        tuple(sums(inputs[DATA], inputs[i], inputs[b]) for i, b in zip(INPUT_WEIGHTS, BIASES, strict=True)),
        tuple(sums(hidden, inputs[i], None) for i in RECURRENT_WEIGHTS),
        Multiplier.of(GATE_SCALE),
        Multiplier.of(GATE_SCALE * GATE_SCALE / cell.scale),
        Multiplier.of(GATE_SCALE * GATE_SCALE / hidden.scale),
        round(math.log2(cell.scale / GATE_INPUT_SCALE)),
        int(min(clip / cell.scale, float(_LARGEST))) if clip > 0 else _LARGEST + 1,
        output_of(hidden),
        options.time_major,
    )


def run_lstm(constants: LstmConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference: sums and gates in int16, c in int16, h in the output's type.

    Source: tensorflow/lite/micro/kernels/lstm_eval.h. LiteRT's own kernel has other tables.
    """
    x, recurrent = _time_first(arrays[DATA], time_major=constants.time_major), [arrays[i] for i in RECURRENT_WEIGHTS]
    driven = [
        _gate_sums(rules, x, arrays[i], arrays[bias])
        for rules, i, bias in zip(constants.driven, INPUT_WEIGHTS, BIASES, strict=True)
    ]
    h, c = (_for_batch(arrays[place], x.shape[1], len(recurrent[0])) for place in (HIDDEN, CELL))
    c, values = c.astype(np.int64), []
    for t in range(len(x)):
        # A step of 2**-12 is three positions of the table.
        i, f, g, o = (
            3 * _int16(drive[t] + _gate_sums(rules, h, r, None))
            for drive, rules, r in zip(driven, constants.recurrent, recurrent, strict=True)
        )
        kept = _int16(constants.kept.times(_wide(logistic_of_positions(f)) * c))
        added = _int16(constants.added.times(_wide(logistic_of_positions(i)) * tanh_of_positions(g)))
        c = np.clip(_int16(kept + added), -constants.cell_clip, constants.cell_clip)
        shown = _wide(tanh_of_positions(_cell_positions(constants, c))) * logistic_of_positions(o)
        h = constants.hidden.stored(constants.shown.times(shown))
        values.append(h)
    return _time_first(np.stack(values), time_major=constants.time_major), h, c.astype(np.int16)


def _gate_sums(
    rules: AccumulatorConstants, data: np.ndarray, weight: np.ndarray, bias: np.ndarray | None
) -> np.ndarray:
    sums = centred(data, rules.input_offset) @ weight.astype(np.float64).T
    return _wide(rules.requantization.apply(sums, bias)[0])


def _cell_positions(constants: LstmConstants, cell: np.ndarray) -> np.ndarray:
    shift = constants.cell_shift_bits
    return cell * (3 << shift) if shift >= 0 else (cell * 3 + (1 << (-shift - 1))) >> -shift


def _wide(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int64)


def _int16(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -_LARGEST - 1, _LARGEST)


def _logistic(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _time_first(values: np.ndarray, *, time_major: bool) -> np.ndarray:
    """[time, batch, features] of the data, or back."""
    return values if time_major else values.swapaxes(0, 1)


def _for_batch(state: np.ndarray, batch: int, units: int) -> np.ndarray:
    """A state as (batch, units); that of one sample serves any number."""
    rows = state.reshape(-1, units)
    return np.broadcast_to(rows, (batch, units)) if len(rows) == 1 else rows
