"""Every layer, activation and operation the loader knows trains one step under fake quantization and is deployed so."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import pytest
from qat_agreement import assert_deployed_as_trained

import octavo
from combinations import shared_out
from keras_agreement import random_inputs, results, spread_weights
from octavo import qat
from octavo.errors import UnsupportedLayerError
from octavo.ops.composite import lower_identity
from octavo.ops.table import KERAS_FORMS

pytestmark = pytest.mark.every_backend

FORMS_AT_ONCE = 12
# Forms that Keras itself cannot train, or computes otherwise than elsewhere, on one backend.
BROKEN_IN_KERAS = {
    ("jax", "layers.RandomElasticTransform"): "its call in training stops with an AttributeError",
    ("tensorflow", "ops.SearchSorted"): "TensorFlow asks for as many sequences as there are samples",
    ("torch", "ops.Imag"): "PyTorch has no imaginary part of real numbers",
    ("torch", "layers.AveragePooling2D"): "where padding is uneven, repeated borders are averaged",
}

# Forms of which Keras itself takes one transform for each image of a batch, which hold the batch in a shape, or whose
# results are as many as all samples have values.
OF_ONE_SAMPLE = {
    "ops.AdaptiveAveragePool", "ops.AdaptiveMaxPool", "ops.AffineTransform", "ops.PerspectiveTransform", "ops.Vander",
}  # fmt: skip
# Forms whose example makes one thing of all samples of a batch.
MIXING = (
    "ops.AllClose",
    "ops.BroadcastTo",
    "ops.Diag",
    "ops.Diagflat",
    "ops.Flipud",
    "ops.MapCoordinates",
    "ops.Meshgrid",
    "ops.Outer",
    "ops.PSNR",
    "ops.Ravel",
    "ops.Scatter",
    "ops.ScatterUpdate",
    "ops.SegmentMax",
    "ops.SegmentMin",
    "ops.SegmentProd",
    "ops.SegmentSum",
    "ops.Slice",
    "ops.Slogdet",
    "ops.Vdot",
    "ops.Vsplit",
    "ops.Vstack",
)
OPEN = {
    "ops.ConvTranspose": "Keras's own operation hands padding and output_padding over in each other's place",
    "ops.I0": "the shape of its steps cannot be told by Keras",
    "ops.RGBToHSV": "a range inside is not observed",
    "ops.SobelEdges": "a range inside is not observed",
    "ops.UnravelIndex": "of a value next to a jump, rounding makes another place",
}


def chunks() -> list[list[str]]:
    """The names of all forms, some at a time: a model of several costs little more than a model of one.

    What does nothing at inference comes apart, as the augmentations among it keep Keras from compiling a model.
    """
    idle = {name for name in KERAS_FORMS if KERAS_FORMS[name].lower is lower_identity}
    broken = {name for backend, name in BROKEN_IN_KERAS if backend == keras.backend.backend()}
    left_out = broken | OF_ONE_SAMPLE | set(MIXING) | set(OPEN)
    parts = (sorted(set(KERAS_FORMS) - idle - left_out), sorted(idle - broken))
    return [names[i : i + FORMS_AT_ONCE] for names in parts for i in range(0, len(names), FORMS_AT_ONCE)]


def example(name: str) -> tuple[list[keras.KerasTensor], list[keras.KerasTensor], list[np.ndarray]]:
    """Inputs of the form's example, its results, and values where these are finite."""
    call, shapes = KERAS_FORMS[name].example(keras)
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = keras.tree.flatten(call(*inputs))
    model = keras.Model(inputs, outputs)
    spread_weights(model)
    values = [np.concatenate([array] * 4) for array in random_inputs(model)]
    if not all(np.isfinite(value).all() for value in results(model, values)):
        values = [np.abs(array) + np.float32(0.1) for array in values]
    return inputs, outputs, values


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.filterwarnings("ignore:The structure of `inputs`")
@pytest.mark.filterwarnings("ignore:Tensor.T is deprecated")
@pytest.mark.filterwarnings("ignore:Using torch.cross without")
# A divisor that is moved by a step, to see what rounding explains, may be 0.
@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("names", shared_out(chunks(), 8, lambda names: f"{names[0]}-{names[-1]}"))
def test_a_form_trains_and_is_deployed_as_it_trained(names: Sequence[str]) -> None:
    examples = [example(name) for name in names]
    inputs, outputs, values = ([part for each in examples for part in each[i]] for i in range(3))
    # What answers by truth values or places has no slope.
    outputs = [each for each in outputs if keras.backend.is_float_dtype(each.dtype)]
    model = qat.quantize_model(keras.Model(inputs, outputs))
    model.compile("sgd", ["mse"] * len(outputs))
    targets = [np.zeros((len(values[0]), *output.shape[1:]), np.float32) for output in outputs]
    loss = model.train_on_batch(values, targets)
    assert np.isfinite(loss if np.isscalar(loss) else loss[0])
    assert_deployed_as_trained(model, octavo.quantize(model), values)


@pytest.mark.parametrize("name", MIXING)
def test_what_mixes_the_samples_of_a_batch_is_refused_by_its_layer(name: str) -> None:
    call, shapes = KERAS_FORMS[name].example(keras)
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = [each for each in keras.tree.flatten(call(*inputs)) if keras.backend.is_float_dtype(each.dtype)]
    with pytest.raises(UnsupportedLayerError, match=r"fix: +name axes from 1 on"):
        qat.quantize_model(keras.Model(inputs, outputs))
