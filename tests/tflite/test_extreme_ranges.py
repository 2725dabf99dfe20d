"""Activations of extreme ranges, as untrained and dead layers have them, make files that run and are right."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo.ops.build import GraphBuilder
from octavo.ops.elementwise_kernels import AddOptions
from octavo.ops.softmax import SoftmaxOptions
from octavo.write.tflite import write_tflite

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (20, 8, 8, 3)).astype(np.float32)


def dead_branch(join: type[keras.layers.Layer]) -> keras.Model:
    """A branch that is zero everywhere, as a residual block is whose last normalization starts at zero."""
    keras.utils.set_random_seed(0)
    x = keras.Input((8, 8, 3))
    y = layers.BatchNormalization(gamma_initializer="zeros")(layers.Conv2D(3, 3, padding="same", use_bias=False)(x))
    return keras.Model(x, layers.Dense(2)(layers.Flatten()(join()([x, y]))))


def vanishing() -> keras.Model:
    """ReLU6 on activations that have become tiny, as in a deep network without training."""
    keras.utils.set_random_seed(0)
    small = keras.initializers.RandomNormal(stddev=1e-5)
    x = keras.Input((8, 8, 3))
    y = layers.ReLU(6.0)(layers.Conv2D(4, 3, kernel_initializer=small)(x))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(y)))


def largest_error(quantized: octavo.QuantizedModel, kernel: np.ndarray) -> float:
    """What rounding explains of a dense layer on data in -1..1: a step an activation, half a step a weight."""
    scales = {t.name: t.quantization.scale for t in quantized.graph.tensors.values() if t.quantization is not None}
    (weight,) = (node.inputs[1] for node in quantized.graph.nodes if node.op == "FULLY_CONNECTED")
    steps = sum(float(scales[name][0]) for node in quantized.graph.nodes for name in node.outputs)
    return float(np.abs(kernel).sum(axis=0).max() * steps + len(kernel) * scales[weight].max() / 2 + steps)


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("join", [layers.Add, layers.Subtract, layers.Multiply, layers.Maximum, layers.Concatenate])
def test_a_branch_of_zeros_joins(join: type[keras.layers.Layer], scheme: str) -> None:
    model = dead_branch(join)
    quantized = octavo.quantize(model, scheme, X)
    assert quantized.verification is not None
    assert quantized.verification.ok
    error = np.abs(quantized.predict(X) - model.predict(X, verbose=0)).max()
    assert error <= largest_error(quantized, model.layers[-1].get_weights()[0])


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_a_clipped_activation_of_vanishing_values_runs(scheme: str) -> None:
    quantized = octavo.quantize(vanishing(), scheme, X)
    assert quantized.verification is not None
    assert quantized.verification.ok


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
@pytest.mark.parametrize("activations", [("tanh", "silu"), ("sigmoid", "sigmoid"), ("tanh", "tanh")], ids="-".join)
def test_activations_follow_each_other_at_the_fixed_scale_of_the_first(
    activations: tuple[str, str], scheme: str
) -> None:
    keras.utils.set_random_seed(0)
    stack = [layers.Activation(activation) for activation in activations]
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(8, 3), *stack])
    quantized = octavo.quantize(model, scheme, X, verify="full")
    assert quantized.verification is not None
    assert quantized.verification.ok


@pytest.mark.parametrize("gate", ["silu", "tanh_shrink"])
def test_a_gate_on_values_as_wide_as_the_kernel_cannot_resolve_reads_them_cut(gate: str) -> None:
    # At a scale of 4 and above a step of the argument leaves what int8 kernels can express: they jump to the limits.
    x = RNG.uniform(-1800, 1800, (20, 64)).astype(np.float32)
    model = keras.Sequential([keras.Input((64,)), layers.Activation(getattr(keras.ops, gate))])
    quantized = octavo.quantize(model, "int8", x, verify="full")
    assert quantized.verification is not None
    assert quantized.verification.ok
    (cut,) = (tensor for name, tensor in quantized.graph.tensors.items() if name.endswith("saturated"))
    assert cut.scale < 4
    step = float(np.ptp(x)) / 255
    assert np.abs(quantized.predict(x) - model.predict(x, verbose=0)).max() <= 2 * step


@pytest.mark.parametrize("masked", [-1e4, -1e9, -3e38])
@pytest.mark.parametrize("first", [True, False])
def test_a_mask_saturates_the_sum_and_has_steps_that_kernels_hold(masked: float, first: bool) -> None:
    b = GraphBuilder("masked")
    x = b.input("x", (1, 6, 6))
    mask = b.constant(np.triu(np.full((6, 6), masked, np.float32), 1), "mask")
    total = b.emit("ADD", [mask, x] if first else [x, mask], AddOptions())
    graph = b.finish([b.emit("SOFTMAX", [total], SoftmaxOptions())])
    data = np.random.default_rng(0).normal(size=(20, 6, 6)).astype(np.float32)
    made = octavo.quantize(write_tflite(graph), "int8", data)
    assert made.verification is not None
    assert made.verification.ok
    assert made.fidelity is not None
    assert all(each.sqnr_db is not None and each.sqnr_db > 33 for each in made.fidelity.rounding)
    assert np.asarray(made.predict(data))[:, 0, 1:].max() == 0
