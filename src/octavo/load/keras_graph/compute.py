"""What Keras itself computes of a sample, to hold the graph that was read against."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from octavo.ir.graph import distinct_names
from octavo.load.keras_graph.functional import functional_graph
from octavo.load.keras_graph.shadow import is_stateful
from octavo.load.loaded import Loaded


def with_compute(loaded: Loaded, model: Any) -> Loaded:
    """What was read of a model, and how to run the model itself; not for one that takes no batch of 1."""
    if not {tensor.shape[0] for tensor in functional_graph(model, model.name).inputs} <= {None, 1}:
        return loaded
    keeps_state = any(tensor.is_variable for tensor in loaded.graph.tensors.values())
    start = partial(_from_the_reset, model) if keeps_state else nullcontext
    return replace(loaded, compute=partial(_outputs, model, loaded.graph.inputs, loaded.graph.outputs, start))


@contextmanager
def _from_the_reset(model: Any) -> Iterator[None]:
    """Layers that keep their state start as a file does, recurrent ones from zeros, and have it back afterwards."""
    import keras

    recurrent = filter(is_stateful, model._flatten_layers())
    # Keras's own reset does not reach the states of stacked cells.
    states = [state for layer in recurrent for state in keras.tree.flatten(layer.states)]
    kept = [(each, keras.ops.convert_to_numpy(each)) for each in (*model.non_trainable_variables, *states)]
    try:
        for state in states:
            state.assign(np.zeros(state.shape))
        yield
    finally:
        for variable, values in kept:
            variable.assign(values)


def _outputs(
    model: Any,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    start: Callable[[], AbstractContextManager[None]],
    sample: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """A model's outputs by a file's names, batch 1; compiled on every backend, so that JAX does it in a second."""
    import keras

    function = functional_graph(model, model.name)
    arrays = [
        sample[name].astype(keras.backend.standardize_dtype(tensor.dtype))
        for name, tensor in zip(inputs, function.inputs, strict=True)
    ]
    with warnings.catch_warnings():
        # A single input may be given without the structure around it.
        warnings.simplefilter("ignore", UserWarning)
        with start():
            results = model.predict_on_batch(keras.tree.pack_sequence_as(function._inputs_struct, arrays))
    names = distinct_names(outputs)
    return {name: np.asarray(result) for name, result in zip(names, keras.tree.flatten(results), strict=True)}
