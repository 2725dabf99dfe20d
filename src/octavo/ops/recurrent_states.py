"""The cell of an LSTM at all times, which no operator shows: computed again from what one was given and made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.elementwise_kernels import AddOptions, MulOptions
from octavo.ops.join import ConcatenationOptions, PackOptions
from octavo.ops.recurrent_kernels import BIASES, CELL, DATA, HIDDEN, INPUT_WEIGHTS, RECURRENT_WEIGHTS, LstmOptions
from octavo.ops.shape import ReshapeOptions
from octavo.ops.spec import Emitter


def show_cell_states(b: Emitter, options: LstmOptions, inputs: Sequence[str | None], output: str) -> Mapping[int, str]:
    """Emit the gates of all times at once, since h is known, and then c step by step, each from what was before.

    Returns:
        The place of the cell, with a tensor of shape (time * batch, units).
    """
    x, hidden = (_time_first(b, options, name) for name in (str(inputs[DATA]), output))
    times, batch, units = b.shape(hidden)
    data, before = _rows(b, x), _rows(b, _one_step_later(b, hidden, _as_found(b, str(inputs[HIDDEN]))))
    i, f, g, _ = (
        _gate_sums(b, data, before, *(str(inputs[place]) for place in places))
        for places in zip(INPUT_WEIGHTS, BIASES, RECURRENT_WEIGHTS, strict=True)
    )
    forget = b.emit("LOGISTIC", [f])
    added = b.emit("MUL", [b.emit("LOGISTIC", [i]), b.emit("TANH", [g])], MulOptions())
    cells: list[str] = []
    cell = _rows(b, _as_found(b, str(inputs[CELL])))
    for t in range(times):
        kept = b.emit("MUL", [_step(b, forget, t, batch, units), cell], MulOptions())
        cell = b.emit("ADD", [kept, _step(b, added, t, batch, units)], AddOptions())
        cell = _clipped(b, cell, options.cell_clip) if options.cell_clip > 0 else cell
        cells.append(cell)
    return {CELL: b.emit("CONCATENATION", cells, ConcatenationOptions(axis=0)) if times > 1 else cells[0]}


def _time_first(b: Emitter, options: LstmOptions, name: str) -> str:
    if options.time_major:
        return name
    return b.emit("TRANSPOSE", [name, b.constant(np.array([1, 0, 2], np.int32), "time_first")])


def _as_found(b: Emitter, variable: str) -> str:
    """A copy of a variable, as a row of time, which must be made before the operator that writes it."""
    return b.emit("PACK", [variable], PackOptions(1, 0))


def _one_step_later(b: Emitter, hidden: str, first: str) -> str:
    """h of the step before: what was found, then all but the last."""
    joined = b.emit("CONCATENATION", [first, hidden], ConcatenationOptions(0))
    places = (
        b.constant(np.array(each, np.int32), name) for each, name in (([0] * 3, "first"), (b.shape(hidden), "all"))
    )
    return b.emit("SLICE", [joined, *places])


def _rows(b: Emitter, name: str) -> str:
    times, batch, features = b.shape(name)
    shape = b.constant(np.array([times * batch, features], np.int32), f"rows_of_{features}")
    return b.emit("RESHAPE", [name, shape], ReshapeOptions())


def _gate_sums(b: Emitter, data: str, before: str, weight: str, bias: str, recurrent: str) -> str:
    driven = b.emit("FULLY_CONNECTED", [data, weight, bias], FullyConnectedOptions())
    return b.emit(
        "ADD", [driven, b.emit("FULLY_CONNECTED", [before, recurrent], FullyConnectedOptions())], AddOptions()
    )


def _step(b: Emitter, rows: str, t: int, batch: int, units: int) -> str:
    begin = b.constant(np.array([t * batch, 0], np.int32), f"step_{t}")
    return b.emit("SLICE", [rows, begin, b.constant(np.array([batch, units], np.int32), "step")])


def _clipped(b: Emitter, cell: str, limit: float) -> str:
    low, high = (b.constant(np.array(value, np.float32), name) for value, name in ((-limit, "low"), (limit, "high")))
    return b.emit("MAXIMUM", [b.emit("MINIMUM", [cell, high]), low])
