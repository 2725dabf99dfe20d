"""UNIDIRECTIONAL_SEQUENCE_LSTM: a layer with a memory, step by step through time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octavo.dtypes import DType
from octavo.errors import GraphError
from octavo.ir.inputs import Inputs
from octavo.ir.types import PerTensor, Shape, Tensor
from octavo.ops.recurrent_kernels import (
    BIASES,
    CELL,
    DATA,
    GATE_INPUT_SCALE,
    HIDDEN,
    INPUT_WEIGHTS,
    RECURRENT_WEIGHTS,
    LstmOptions,
    lstm_float,
    prepare_lstm,
    run_lstm,
)
from octavo.ops.recurrent_states import show_cell_states
from octavo.ops.roles import Absent, Bias, Data, Intermediate, Role, State, Weight
from octavo.ops.spec import Example, Kernel, OpSpec

INPUTS = 24
# Beyond these, LiteRT's kernel leaves tanh(c) out.
CELL_POWERS = (-15, -9)


def lstm_shapes(options: LstmOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[batch, time, features] x weights [units, features] -> [batch, time, units]; time first where it is major.

    Each state has batch * units values.

    Raises:
        GraphError: if the data are no sequences, or a state has another size.
    """
    x, weights, hidden, cell = (inputs[i] for i in (DATA, INPUT_WEIGHTS[0], HIDDEN, CELL))
    batch = x.shape[1 if options.time_major else 0] if len(x.shape) == 3 else 0
    units = weights.shape[0]
    if not (hidden.size == cell.size == batch * units > 0):
        raise GraphError(
            f"data of shape {x.shape} and states of shapes {hidden.shape} and {cell.shape} do not fit an LSTM.",
            got=f"{hidden.size} and {cell.size} values of state, {units} units",
            expected="data of three dimensions, and for each sequence a value of state for each unit",
            fix="convert the model again with a fixed batch",
        )
    return ((*x.shape[:-1], units),)


def lstm_products(options: LstmOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """Each step of time multiplies the data and the hidden state with all weights, and the cell with two gates."""
    weights = [tensor for i in (*INPUT_WEIGHTS, *RECURRENT_WEIGHTS) if (tensor := inputs.get(i)) is not None]
    units = weights[0].shape[0]
    return (outputs[0].size // units) * (sum(tensor.size for tensor in weights) + 3 * units)


def _roles() -> tuple[Role, ...]:
    int8 = {DType.INT8: {DType.INT8: PerTensor()}}
    roles: dict[int, Role] = {DATA: Data(), HIDDEN: State(), CELL: State(DType.INT16, CELL_POWERS)}
    roles |= {i: Weight(0, int8) for i in (*INPUT_WEIGHTS, *RECURRENT_WEIGHTS)}
    roles |= {bias: Bias(DATA, weight) for bias, weight in zip(BIASES, INPUT_WEIGHTS, strict=True)}
    return tuple(roles.get(i, Absent()) for i in range(INPUTS))


def _example(
    times: int, features: int, units: int, options: LstmOptions, low: float = -3.0, high: float = 3.0
) -> Example:
    rng = np.random.default_rng(7)
    shapes = dict.fromkeys(INPUT_WEIGHTS, (units, features)) | dict.fromkeys(RECURRENT_WEIGHTS, (units, units))
    weights = {i: rng.normal(size=shape) / np.sqrt(shape[1]) for i, shape in shapes.items()}
    biases = {i: rng.normal(size=units) for i in BIASES}
    return Example(
        ((times, 1, features) if options.time_major else (1, times, features), *(None,) * (INPUTS - 1)),
        {i: array.astype(np.float32) for i, array in (weights | biases).items()},
        options,
        states=dict.fromkeys((HIDDEN, CELL), (1, units)),
        low=low,
        high=high,
    )


UNIDIRECTIONAL_SEQUENCE_LSTM = OpSpec(
    name="UNIDIRECTIONAL_SEQUENCE_LSTM",
    micro_name="UnidirectionalSequenceLSTM",
    options=LstmOptions,
    inputs=_roles(),
    intermediates=(*(Intermediate(DType.INT16, GATE_INPUT_SCALE),) * 4, Intermediate()),
    shapes=lstm_shapes,
    products=lstm_products,
    run_float=lstm_float,
    integer=Kernel(prepare_lstm, run_lstm),
    bounds=(-1.0, 1.0),
    show_states=show_cell_states,
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    exact=False,
    note="LiteRT's kernel has other tables: where results feed back, they may drift from TensorFlow Lite Micro's",
    examples=(
        _example(5, 3, 4, LstmOptions(), low=-1.0, high=1.0),
        _example(12, 7, 10, LstmOptions(cell_clip=0.5)),
        _example(4, 5, 6, LstmOptions(time_major=True), low=0.0, high=4.0),
        _example(1, 2, 3, LstmOptions()),
    ),
)

SPECS = (UNIDIRECTIONAL_SEQUENCE_LSTM,)
