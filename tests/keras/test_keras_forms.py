"""Rules over the Keras forms of the op table: each is loaded from its own example and computes what Keras computes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from combinations import shared_out
from keras_agreement import assert_computes_the_same, random_inputs, results, spread_weights
from octavo.load.keras_graph import load_keras
from octavo.load.keras_graph.form_names import form_name
from octavo.ops.table import KERAS_FORMS

pytestmark = pytest.mark.every_backend

# Forms whose example Keras computes otherwise on one backend, with the reason.
DIFFERS = {
    **dict.fromkeys(
        ((backend, "ops.ConvTranspose") for backend in ("jax", "tensorflow", "torch")),
        "Keras's own operation hands padding and output_padding over in each other's place",
    ),
    ("torch", "ops.CountNonzero"): "Keras's torch backend leaves the counted axis in the result",
    ("tensorflow", "ops.Logdet"): "TensorFlow's takes the matrix for symmetric and positive",
    ("tensorflow", "ops.UnravelIndex"): "Keras's tensorflow backend names a place beyond the shape",
    ("torch", "ops.Imag"): "PyTorch has no imaginary part of real numbers",
    ("torch", "ops.Vdot"): "Keras's torch backend flattens nothing before the product",
    ("torch", "ops.Cross"): "PyTorch warns of the axis that Keras leaves out",
    ("torch", "layers.AveragePooling2D"): "where padding is uneven, Keras's torch backend averages repeated borders",
}


def example_model(name: str) -> keras.Model:
    """The form's example as a functional model."""
    call, shapes = KERAS_FORMS[name].example(keras)
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, call(*inputs))


def names_shown(model: Any) -> set[str | None]:
    """Forms that loading the model needs."""
    layers = {form_name(operation) for operation in model.operations}
    functions = (getattr(operation, "activation", None) for operation in model.operations)
    return layers | {f"activations.{getattr(function, '__name__', '')}" for function in functions}


@pytest.mark.parametrize("name", shared_out(sorted(KERAS_FORMS), 2))
def test_a_form_computes_what_keras_computes(name: str, request: pytest.FixtureRequest) -> None:
    reason = DIFFERS.get((keras.backend.backend(), name))
    if reason is not None:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    model = example_model(name)
    spread_weights(model)
    assert name in names_shown(model), "the example shows another form"
    inputs = random_inputs(model)
    if not all(np.isfinite(value).all() for value in results(model, [each[:1] for each in inputs])):
        inputs = [np.abs(array) + np.float32(0.1) for array in inputs]
    assert_computes_the_same(model, load_keras(model).graph, inputs)
