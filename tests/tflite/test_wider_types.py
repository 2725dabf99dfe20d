"""Operators that no scale of their type serves get a wider one, by name; sums of products stay within accumulators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

import octavo
from octavo import qat
from octavo.config import LayerConfig, QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import ConfigError, DatasetError, NonFiniteError
from octavo.evaluate.verify import verify
from octavo.fitting import Draft, measured_for, widened
from octavo.ir.types import Graph
from octavo.ops.obstacles import obstacles
from octavo.plan.make import make_plan
from octavo.stages import Measured, Source, prepare

pytest.importorskip("tflite_micro")

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (20, 8)).astype(np.float32)


def classifier(
    classes: int, spread: float = 0.1, bias: float = 0.0, tail: bool = False, activation: str = "softmax"
) -> keras.Model:
    """Dense(classes, softmax) with weights of this size, as a fresh model has them; `tail` adds a layer behind."""
    stack = [keras.Input((8,)), layers.Dense(classes, activation=activation, name="scores")]
    model = keras.Sequential([*stack, layers.Dense(2, name="tail")] if tail else stack)
    kernel = np.random.default_rng(1).normal(0, spread, (8, classes))
    model.layers[0].set_weights([kernel.astype(np.float32), np.full(classes, bias, np.float32)])
    return model


NOTHING = Measured({}, "", {})


def classifier_graph() -> Graph:
    return prepare(classifier(10)).graph


def type_of(quantized: octavo.QuantizedModel, op: str) -> DType:
    """Of the result of the one operator of this kind."""
    (node,) = (node for node in quantized.graph.nodes if node.op == op)
    return quantized.graph.tensors[node.outputs[0]].dtype


def check_no_runtime_ends(quantized: octavo.QuantizedModel) -> None:
    assert quantized.verification is not None
    assert [check.summary() for check in quantized.verification.runtimes if not check.inputs] == []
    assert quantized.verification.ok
    assert not obstacles(quantized.graph)


@pytest.mark.parametrize("scheme", ["int8", "int8x4"])
@pytest.mark.parametrize("classes", [600, 5000])
def test_a_wide_softmax_is_int16_with_a_note(classes: int, scheme: str) -> None:
    model = classifier(classes)
    quantized = octavo.quantize(model, scheme, X)
    check_no_runtime_ends(quantized)
    assert type_of(quantized, "SOFTMAX") is DType.INT16
    assert any("SOFTMAX is int16 instead of int8" in str(note) for note in quantized.notes)
    # Two steps of 1/32768; int8 has 1/256, which is above every probability here.
    assert np.abs(quantized.predict(X) - model.predict(X, verbose=0)).max() < 1e-3 / classes * 600


@pytest.mark.parametrize(
    ("activation", "classes", "dtype"),
    [
        ("softmax", 511, DType.INT8),
        ("softmax", 512, DType.INT16),
        ("log_softmax", 4095, DType.INT8),
        ("log_softmax", 4096, DType.FLOAT32),
    ],
)
def test_an_input_that_makes_all_classes_alike_ends_no_runtime_though_no_sample_has_shown_it(
    activation: str, classes: int, dtype: DType
) -> None:
    """The samples tell classes far apart; zeros make the logits equal, and every result is one over the classes."""
    quantized = octavo.quantize(classifier(classes, spread=4.0, activation=activation), "int8", X)
    check_no_runtime_ends(quantized)
    assert type_of(quantized, activation.upper()) is dtype
    alike = np.zeros((1, 8), np.float32)
    runtimes = verify(quantized.model, quantized.graph, [{quantized.graph.inputs[0]: alike}], "full").runtimes
    assert [check.summary() for check in runtimes if not check.ok or not check.inputs] == []
    wanted = -np.log(classes) if activation == "log_softmax" else 1 / classes
    step = {DType.INT8: 1 / 16 if activation == "log_softmax" else 1 / 256, DType.INT16: 1 / 32768}.get(dtype, 1e-5)
    if activation == "log_softmax" and dtype is DType.INT8:
        # Where logits lie far apart, a sum that has steps of its own follows.
        step = max(step, float(quantized.graph.tensors[quantized.graph.outputs[0]].parameters.scale[0]))
    assert np.abs(quantized.predict(alike) - wanted).max() <= step


def test_a_type_that_is_named_is_taken_at_its_word_until_a_runtime_ends() -> None:
    named = [LayerConfig("scores:SOFTMAX", activations="int8")]
    apart = octavo.quantize(classifier(1000, spread=4.0), "int8", X, layers=named)
    assert type_of(apart, "SOFTMAX") is DType.INT8
    # The output's own type stands behind a conversion, and does not hide the operator.
    alike = octavo.quantize(classifier(600, spread=1e-3, bias=30.0), "int8", X, layers=named, output_type="float32")
    check_no_runtime_ends(alike)
    assert type_of(alike, "SOFTMAX") is DType.INT16


def once() -> Iterator[np.ndarray]:
    yield from X[:, None]


def test_ranges_that_a_wider_type_asks_for_are_measured_or_those_of_the_row() -> None:
    model, named = classifier(2000, tail=True), [LayerConfig("scores:SOFTMAX", activations="int8")]
    measured = octavo.quantize(model, "int8", X, layers=named)
    bounded = octavo.quantize(model, "int8", once(), layers=named)
    for quantized in (measured, bounded):
        check_no_runtime_ends(quantized)
        assert type_of(quantized, "SOFTMAX") is DType.INT16
    assert measured.ranges["scores -> int8"][1] < 0.01
    assert bounded.ranges["scores -> int8"] == (0.0, 1.0)


def test_a_range_that_cannot_be_had_any_more_is_said_to_be_missing() -> None:
    inputs = keras.Input((8,))
    logs = layers.Activation("log_softmax", name="logs")(layers.Dense(5, name="few")(inputs))
    prepared, config = prepare(keras.Model(inputs, layers.Dense(2)(logs))), QuantizeConfig("int8")
    draft = Draft(config, make_plan(prepared.graph, config), Measured({"few": (-1.0, 1.0)}, "", {}))
    (node,) = (node for node in prepared.graph.nodes if node.op == "LOG_SOFTMAX")
    wider = widened(draft, prepared.graph, {node: "a reason"})
    assert wider is not None
    wider, before = replace(wider, plan=make_plan(prepared.graph, wider.config)), draft.plan
    spent = once()
    next(spent)
    with pytest.raises(DatasetError, match="pass data=x_train"):
        measured_for(wider, before, prepared, prepared.graph, Source(spent))


@pytest.mark.parametrize("activation", ["silu", "sigmoid"])
@pytest.mark.parametrize("size", [3e3, 1e6])
def test_a_gate_on_wide_inputs_is_right(activation: str, size: float) -> None:
    inputs = keras.Input((8,))
    model = keras.Model(inputs, [layers.Activation(activation)(inputs), inputs + 0.5])
    x = (X * size).astype(np.float32)
    quantized = octavo.quantize(model, "int8", x)
    check_no_runtime_ends(quantized)
    (found, *_), (wanted, *_) = quantized.predict(x).values(), model.predict(x, verbose=0)
    step = 2 * size / 255 if activation == "silu" else 1 / 256
    assert np.abs(found - wanted)[np.abs(x) > size / 100].max() <= 2 * step


@pytest.mark.parametrize(("activation", "size"), [("elu", 1e-6), ("selu", 1e-9)])
def test_an_exponential_less_one_is_right_of_inputs_that_float32_does_not_tell_from_0(
    activation: str, size: float
) -> None:
    model = keras.Sequential([keras.Input((8,)), layers.Activation(activation)])
    x = (X * size).astype(np.float32)
    quantized = octavo.quantize(model, "int8", x)
    assert quantized.verification is not None
    assert quantized.verification.ok
    # Around 0 all three are x, or selu up to 1.76 of it: three roundings of a range that they stretch.
    assert np.abs(quantized.predict(x) - model.predict(x, verbose=0)).max() < 3 * 1.76 * 2 * size / 255


@pytest.mark.parametrize(
    ("activation", "scheme"),
    [("silu", "int8"), ("silu", "int16x8"), ("hard_silu", "int8"), ("log_softmax", "int8")],
)
def test_functions_of_inputs_whose_steps_no_kernel_holds_are_float(activation: str, scheme: str) -> None:
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Activation(activation)(inputs))
    x = (X * 1e12).astype(np.float32)
    quantized = octavo.quantize(model, scheme, x)
    check_no_runtime_ends(quantized)
    wanted = model.predict(x, verbose=0)
    # A step of the input and one of the output.
    assert np.abs(quantized.predict(x) - wanted).max() <= 2 * 2e12 / (255 if scheme == "int8" else 65535)


@pytest.mark.parametrize("scheme", ["int8", "int8x4"])
def test_sums_over_very_many_inputs_of_one_sign_do_not_overflow(scheme: str) -> None:
    inputs = keras.Input((200_000,))
    model = keras.Model(inputs, layers.Dense(2, name="long")(inputs))
    model.layers[-1].set_weights([np.full((200_000, 2), [0.01, -0.02], np.float32), np.ones(2, np.float32)])
    x = np.linspace(0.5, 1.0, 4)[:, None].astype(np.float32) * np.ones((1, 200_000), np.float32)
    quantized = octavo.quantize(model, scheme, x)
    (node,) = (node for node in quantized.graph.nodes if node.op == "FULLY_CONNECTED")
    weights = quantized.graph.tensors[str(node.inputs[1])]
    assert weights.dtype is DType.INT8
    # Half a step of a weight of 0.01 and of -0.02, of the input and of the output.
    half = max(weights.parameters.scale / 2 / np.array([0.01, 0.02])) + 0.5 / 255 / 0.5 + 4 / 255
    wanted = model.predict(x, verbose=0)
    assert np.abs(quantized.predict(x) / wanted - 1).max() < half < 0.05


@pytest.mark.parametrize("count", [60_000, 70_000])
def test_a_mean_of_more_int16_values_than_its_sum_holds_is_float(count: int) -> None:
    inputs = keras.Input((count, 1))
    model = keras.Model(inputs, layers.GlobalAveragePooling1D(name="mean")(inputs))
    x = np.linspace(0.9, 1.0, 3, dtype=np.float32)[:, None, None] * np.ones((1, count, 1), np.float32)
    quantized = octavo.quantize(model, "int16x8", x)
    check_no_runtime_ends(quantized)
    assert (type_of(quantized, "MEAN") is DType.FLOAT32) == (count == 70_000)
    # A step of the input and one of the output; LiteRT's float kernel sums in float32, one after the other.
    summing = count * float(np.finfo(np.float32).eps) / 2
    assert np.abs(quantized.predict(x) - x.mean(1, dtype=np.float64)).max() < 2 / 32767 + summing


def test_an_operator_can_be_named_alone() -> None:
    named = [LayerConfig("scores:SOFTMAX", activations="int16")]
    quantized = octavo.quantize(classifier(10), "int8", X, layers=named)
    assert (type_of(quantized, "FULLY_CONNECTED"), type_of(quantized, "SOFTMAX")) == (DType.INT8, DType.INT16)
    floating = octavo.quantize(classifier(10), "int8", X, skip=["scores:SOFTMAX"])
    assert (type_of(floating, "FULLY_CONNECTED"), type_of(floating, "SOFTMAX")) == (DType.INT8, DType.FLOAT32)
    with pytest.raises(ConfigError, match="did you mean 'scores'"):
        octavo.quantize(classifier(10), "int8", X, skip=["scores:TANH"])


def test_types_widen_step_by_step_and_come_to_an_end() -> None:
    graph = classifier_graph()
    draft: Draft | None = Draft(QuantizeConfig("int8x4"), make_plan(graph, QuantizeConfig("int8x4")), NOTHING)
    told = []
    while draft is not None and len(told) < 9:
        draft = widened(replace(draft, plan=make_plan(graph, draft.config)), graph, {graph.nodes[0]: "a reason"})
        told.append("" if draft is None else str(draft.notes[-1].text))
    assert told == [
        "FULLY_CONNECTED has weights of int8 instead of int4: a reason",
        "FULLY_CONNECTED is int16 instead of int8: a reason",
        "FULLY_CONNECTED is float32 instead of int16: a reason",
        "",
    ]


def test_a_trained_model_is_widened_where_it_is_written() -> None:
    model = qat.quantize_model(classifier(600), "int8", data=X)
    quantized = octavo.quantize(model)
    check_no_runtime_ends(quantized)
    assert type_of(quantized, "SOFTMAX") is DType.INT16


def test_a_border_of_infinity_is_told_to_be_a_number() -> None:
    inputs = keras.Input((6, 6, 2))
    padded = keras.ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=float("-inf"))
    with pytest.raises(NonFiniteError, match="write a number that lies beyond all values there"):
        octavo.quantize(keras.Model(inputs, layers.AveragePooling2D(2)(padded)), "int8", np.ones((4, 6, 6, 2), "f4"))


def test_a_wider_type_reads_no_sample_again_for_a_range_that_its_group_had() -> None:
    """The logits pass a Reshape, whose result was observed by none, as it holds what its input does."""
    stack = [keras.Input((8,)), layers.Dense(1000), layers.Reshape((1, 1000)), layers.Softmax()]
    reads = []

    def samples() -> Iterator[np.ndarray]:
        reads.append(len(X))
        return iter(X)

    model = keras.Sequential(stack)
    quantized = octavo.quantize(model, "int8", samples, verify="off", effort="fast")
    assert type_of(quantized, "SOFTMAX") is DType.INT16
    check_no_runtime_ends(octavo.quantize(model, "int8", X, effort="fast"))
    widened_reads = len(reads)
    reads.clear()
    octavo.quantize(keras.Sequential(stack[:-1]), "int8", samples, verify="off", effort="fast")
    assert widened_reads == len(reads)
