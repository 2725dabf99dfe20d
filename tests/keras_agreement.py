"""Whether a graph computes what the Keras model it was loaded from computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

from octavo.ir.types import Graph
from octavo.run import reference

EPSILON = float(np.finfo(np.float32).eps)
SAMPLES = 2


def differs_on(*backends: str, reason: str) -> tuple[pytest.MarkDecorator, ...]:
    """Marks of a case that Keras itself computes otherwise on some backends: it fails there, and runs on all."""
    fails = keras.backend.backend() in backends
    return pytest.mark.every_backend, pytest.mark.xfail(fails, reason=reason, strict=True)


def spread_weights(model: Any, seed: int = 0) -> None:
    """Give every variable that starts as a constant (biases, batch-norm statistics) values that show in the result."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        value = keras.ops.convert_to_numpy(variable.value)
        if value.dtype.kind == "f" and value.size and np.ptp(value) == 0:
            variable.assign(value + rng.uniform(-0.1, 0.3, value.shape))


def random_inputs(model: Any, seed: int = 1) -> list[np.ndarray]:
    """Values for each input of a model, float32 in -1..1, whole numbers in 0..9 for integers; batch `SAMPLES`."""
    rng = np.random.default_rng(seed)
    drawn = [
        rng.integers(0, 10, (SAMPLES, *tensor.shape[1:]))
        if "int" in tensor.dtype
        else rng.uniform(-1, 1, (SAMPLES, *tensor.shape[1:]))
        for tensor in model.inputs
    ]
    return [values.astype(np.float32) for values in drawn]


def results(model: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What Keras computes at inference, flat; inputs and results in the order of the loaded graph's."""
    takes_one = isinstance(model, keras.Sequential)
    structure = inputs[0] if takes_one else keras.tree.pack_sequence_as(model.input, list(inputs))
    return [keras.ops.convert_to_numpy(value) for value in keras.tree.flatten(model(structure, training=False))]


def assert_computes_the_same(model: Any, graph: Graph, inputs: Sequence[np.ndarray] | None = None) -> None:
    """Compare a graph's results with Keras's, sample by sample.

    The graph runs in float64, which stands for the exact result, and in float32, which shows how far rounding moves
    it; Keras may add the same terms in another order, so it gets a multiple of that, and a few steps at the result's
    own size for its own exp, tanh and the like.
    """
    inputs = random_inputs(model) if inputs is None else inputs
    for i in range(len(inputs[0])):
        sample = dict(zip(graph.inputs, (array[i : i + 1] for array in inputs), strict=True))
        exact = reference.run(graph, _typed(graph, sample, np.float64))
        rounded = reference.run(graph, _typed(graph, sample, np.float32))
        for name, value in zip(graph.outputs, results(model, list(sample.values())), strict=True):
            rounding = np.abs(exact[name] - rounded[name]).max(initial=0)
            tolerance = 16 * rounding + 16 * EPSILON * max(1.0, np.abs(exact[name]).max(initial=0))
            np.testing.assert_allclose(value, exact[name], rtol=0, atol=tolerance)


def _typed(graph: Graph, sample: dict[str, np.ndarray], real: type[np.floating]) -> dict[str, np.ndarray]:
    """Real inputs in a precision, indices in their own type."""
    dtypes = {name: graph.tensors[name].dtype for name in sample}
    return {name: array.astype(real if dtypes[name].is_float else dtypes[name].numpy) for name, array in sample.items()}
