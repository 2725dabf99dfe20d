"""keras.layers.LSTM that keeps its state from one run to the next: one operator, whose variables hold the state."""

from __future__ import annotations

from typing import Any

import numpy as np

from octavo.ops.recurrent import INPUTS
from octavo.ops.recurrent_kernels import BIASES, CELL, DATA, HIDDEN, INPUT_WEIGHTS, RECURRENT_WEIGHTS, LstmOptions
from octavo.ops.slices import emit_strided_slice
from octavo.ops.spec import Emitter, KerasCall


def is_one_operator(layer: Any, inputs: int) -> bool:
    """Whether UNIDIRECTIONAL_SEQUENCE_LSTM computes what a layer does that is called on that many tensors."""
    import keras

    return (
        type(layer) is keras.layers.LSTM
        and layer.stateful
        and not (layer.go_backwards or layer.return_state)
        and inputs == 1
        and (layer.activation, layer.recurrent_activation) == (keras.activations.tanh, keras.activations.sigmoid)
    )


def lower_stateful_lstm(b: Emitter, layer: Any, call: KerasCall) -> str:
    """UNIDIRECTIONAL_SEQUENCE_LSTM of a keras.layers.LSTM with `stateful=True` that `is_one_operator`.

    Args:
        b: Where it goes.
        layer: The layer.
        call: Of its cell, on sequences of shape [1, time, features].

    Returns:
        The results at all times, or the last where the layer returns no sequences.
    """
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
