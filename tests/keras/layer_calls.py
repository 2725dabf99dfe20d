"""What tests of single Keras layers and operations share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from octavo.errors import UnsupportedLayerError
from octavo.load.keras_graph.trace import load_keras
from octavo.run import reference

Shape = tuple[int, ...]


def assert_computes_the_same(call: Callable[..., Any], *shapes: Shape, rounding: float = 0.0) -> None:
    """The graph loaded of one call, with random weights, computes what Keras does, on two samples at once.

    Args:
        call: A layer or function of symbolic tensors.
        shapes: Its inputs' shapes, without batch.
        rounding: How far two float32 evaluations may lie apart; 0 for what only moves values.
    """
    rng = np.random.default_rng(5)
    inputs = [keras.Input(shape) for shape in shapes]
    model = keras.Model(inputs, call(*inputs))
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    values = [rng.normal(size=(2, *shape)).astype(np.float32) for shape in shapes]
    graph = load_keras(model).graph
    results = reference.run(graph, dict(zip(graph.inputs, values, strict=True)))
    expected = model(values)
    for name, array in zip(graph.outputs, expected if isinstance(expected, list) else [expected], strict=True):
        np.testing.assert_allclose(results[name], keras.ops.convert_to_numpy(array), rtol=0, atol=rounding)


def refusal_of(call: Callable[..., Any], *shapes: Shape) -> UnsupportedLayerError:
    """The error that loading a model of one call raises."""
    inputs = [keras.Input(shape) for shape in shapes]
    with pytest.raises(UnsupportedLayerError) as caught:
        load_keras(keras.Model(inputs, call(*inputs)))
    return caught.value
