"""What Keras leaves to a backend, written in keras.ops, so that it runs on symbols: loops over time, and `backend`."""

from __future__ import annotations

from typing import Any


def unrolled(layer: Any, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
    """The `call` of keras.layers.RNN, its cell called once for each step in time.

    Args:
        layer: The layer, or what stands for it.
        sequences: (batch, time, ...).
        initial_state: Of the cell; where there is none, what the layer keeps, or zeros.
        mask: (batch, time): where it is false, output and state stay what they are.
        training: As for `call`.
    """
    from keras import ops, tree

    mask = mask[0] if tree.is_nested(mask) else mask
    states = layer.states if initial_state is None and layer.stateful else initial_state
    if states is None:
        zeros = layer.cell.get_initial_state(batch_size=1)
        states = tree.map_structure(lambda zero: _as_symbol(sequences, zero), zeros)
    states = list(states) if tree.is_nested(states) else [states]
    steps = ops.unstack(sequences, axis=1)
    outputs: list[Any] = []
    times = range(len(steps))
    for time in reversed(times) if layer.go_backwards else times:
        output, after = layer.cell(steps[time], states)
        after = list(after) if tree.is_nested(after) else [after]
        if mask is not None:
            seen = mask[:, time]
            before = outputs[-1] if outputs and not layer.zero_output_for_mask else ops.zeros_like(output)
            output = _where(seen, output, before)
            after = tree.map_structure(lambda new, old, seen=seen: _where(seen, new, old), after, states)
        states = after
        outputs.append(output)
    if layer.stateful:
        for kept, state in zip(tree.flatten(layer.states), tree.flatten(states), strict=True):
            kept.assign(state)
    result = ops.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]
    return (result, *states) if layer.return_state else result


def at_each_time(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    """The `call` of keras.layers.TimeDistributed, its layer called once for each step in time.

    Keras turns batch and time around, and calls the code of its layer and not the layer.

    Args:
        layer: The layer, or what stands for it.
        inputs: (batch, time, ...), of a known number of steps.
        training: As for `call`.
        mask: (batch, time), for a layer that takes one.
    """
    from keras import ops

    steps = ops.unstack(inputs, axis=1)
    if mask is None or not layer.layer._call_has_mask_arg:
        return ops.stack([layer.layer(step) for step in steps], axis=1)
    masks = ops.unstack(mask, axis=1)
    return ops.stack([layer.layer(step, mask=seen) for step, seen in zip(steps, masks, strict=True)], axis=1)


def _as_symbol(sequences: Any, zeros: Any) -> Any:
    """Zeros of each sequence, as a symbol: keras.ops.conv takes no symbol for its kernel beside numbers."""
    from keras import ops

    none = ops.zeros_like(ops.reshape(sequences, (sequences.shape[0], -1))[:, :1])
    return ops.reshape(none, (-1, *[1] * (len(zeros.shape) - 1))) + zeros


def _where(seen: Any, new: Any, old: Any) -> Any:
    """`new` for sequences that have a value at this time, else `old`."""
    from keras import ops

    for _ in range(len(new.shape) - 1):
        seen = ops.expand_dims(seen, -1)
    return ops.where(seen, new, old)


class SymbolicBackend:
    """Stands for the `backend` of Keras's preprocessing layers: its functions are those of keras.ops.

    Where such a layer takes the largest value of all, it is that of a sample: a file is given one at a time.
    """

    name = "symbolic"
    _backend = None  # Random numbers are the layer's own, and not made anew for another backend.

    def max(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        """keras.ops.max, of each sample where no axis is named."""
        from keras import ops

        return ops.max(x, axis, keepdims) if axis is not None else ops.max(x, tuple(range(1, len(x.shape))), True)

    def __getattr__(self, name: str) -> Any:
        import keras

        if name in ("numpy", "nn", "math", "core", "image", "linalg"):
            return self
        return getattr(keras.ops, name) if hasattr(keras.ops, name) else getattr(keras.ops.image, name)
