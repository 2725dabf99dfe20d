"""keras.layers.LSTM that keeps its state from one run to the next: one operator, whose variables hold the state."""

from __future__ import annotations

from typing import Any

import numpy as np

from octavo.ops.recurrent import INPUTS
from octavo.ops.recurrent_kernels import BIASES, CELL, DATA, HIDDEN, INPUT_WEIGHTS, RECURRENT_WEIGHTS, LstmOptions
from octavo.ops.refuse import refuse
from octavo.ops.slices import emit_strided_slice
from octavo.ops.spec import Emitter, KerasCall

# What whoever runs the file must know.
KEEPS_STATE = (
    "its operator keeps the state from one run to the next, as the layer does: between sequences call "
    "reset_all_variables() of LiteRT's interpreter"
)


def lower_stateful_lstm(b: Emitter, layer: Any, call: KerasCall) -> str:
    """UNIDIRECTIONAL_SEQUENCE_LSTM of a keras.layers.LSTM with `stateful=True`.

    Args:
        b: Where it goes.
        layer: The layer.
        call: Of its cell, on sequences of shape [1, time, features].

    Returns:
        The results at all times, or the last where the layer returns no sequences.

    Raises:
        UnsupportedLayerError: for what the operator does not do.
    """
    functions = [getattr(each, "__name__", "") for each in (layer.activation, layer.recurrent_activation)]
    missing = {
        "go_backwards=True": layer.go_backwards,
        "return_state=True": layer.return_state,
        "an initial_state": len(call.inputs) != 1,
        f"activation={functions[0]}, recurrent_activation={functions[1]}": functions != ["tanh", "sigmoid"],
    }
    if any(missing.values()):
        raise refuse(
            layer,
            got=f"stateful=True with {', '.join(name for name, given in missing.items() if given)}",
            expected="a state that one operator keeps, from sequences forwards, by tanh and sigmoid",
            fix="build it with stateful=False, and hand states over as inputs and outputs of the model",
        )
    (x,), units = call.inputs, layer.units
    bias = call.weight("bias") if layer.use_bias else np.zeros(4 * units, np.float32)
    inputs: list[str | None] = [None] * INPUTS
    inputs[DATA] = x
    for places, kind, values in (
        (INPUT_WEIGHTS, "kernel", call.weight("kernel").T),
        (RECURRENT_WEIGHTS, "recurrent_kernel", call.weight("recurrent_kernel").T),
        (BIASES, "bias", bias),
    ):
        for place, gate, own in zip(places, "ifco", np.split(values, 4), strict=True):
            inputs[place] = b.constant(own, f"{kind}_{gate}")
    inputs[HIDDEN], inputs[CELL] = (b.variable((b.shape(x)[0], units), kind) for kind in ("hidden", "cell"))
    whole = layer.return_sequences
    sequence = b.emit("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, LstmOptions(), suffix="" if whole else "sequence")
    return sequence if whole else emit_strided_slice(b, sequence, [slice(None), -1, slice(None)], suffix="")
