"""Metrics of the user's task: chosen by labels and outputs where none is named, and right."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from octavo.data.labelled import UNCOUNTED_TESTS, labelled_samples
from octavo.errors import ConfigError, DatasetError
from octavo.evaluate.evaluation import Evaluation
from octavo.evaluate.metrics import METRICS, metric_named

RNG = np.random.default_rng(11)
X = RNG.normal(size=(40, 6)).astype(np.float32)


def made(units: int = 4, activation: str | None = None) -> octavo.QuantizedModel:
    keras.utils.set_random_seed(2)
    layers = [keras.layers.Input((6,), name="x"), keras.layers.Dense(units, activation=activation, name="out")]
    return octavo.quantize(keras.Sequential(layers), "float32", verify="off")


def measured(model: octavo.QuantizedModel, y: Any, metric: Any = None) -> Evaluation:
    return model.evaluate(X, y, metric=metric, time_it=False)


def test_class_numbers_and_one_hot_rows_are_measured_by_the_share_of_right_answers() -> None:
    model, labels = made(), RNG.integers(0, 4, 40)
    right = float((model.predict(X).argmax(1) == labels).mean())
    for y in (labels, labels[:, None], labels.astype(np.float32), np.eye(4)[labels], 0.9 * np.eye(4)[labels] + 0.025):
        assert (measured(model, y).metric, measured(model, y).accuracy) == ("accuracy", right)


def test_real_targets_are_measured_by_their_mean_absolute_error_and_nobody_takes_the_largest() -> None:
    model, boxes = made(), RNG.uniform(size=(40, 4)).astype(np.float32)
    found = measured(model, boxes)
    assert (found.metric, found.accuracy) == ("MAE", None)
    assert found.value == pytest.approx(np.abs(model.predict(X) - boxes).mean(), rel=1e-6)
    root = np.sqrt(((model.predict(X) - boxes) ** 2).mean())
    assert measured(model, boxes, "rmse").value == pytest.approx(root, rel=1e-6)


@pytest.mark.parametrize("shape", [(40,), (40, 1)])
def test_a_single_real_target_is_held_against_its_own_sample_whatever_its_shape(shape: tuple[int, ...]) -> None:
    model, target = made(1), RNG.normal(size=shape)
    expected = np.abs(model.predict(X).ravel() - target.ravel()).mean()
    assert measured(model, target).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("activation", "threshold"), [("sigmoid", 0.5), (None, 0.0)])
def test_a_binary_answer_is_yes_above_one_half_or_above_zero_for_logits(
    activation: str | None, threshold: float
) -> None:
    model, labels = made(1, activation), RNG.integers(0, 2, 40)
    found = measured(model, labels)
    assert found.accuracy == pytest.approx(((model.predict(X)[:, 0] > threshold) == labels).mean())
    assert f"yes is above {threshold:g}" in found.outputs[0].reason


def test_several_labels_a_sample_are_judged_one_by_one() -> None:
    model, labels = made(4, "sigmoid"), RNG.integers(0, 2, (40, 4))
    found = measured(model, labels)
    assert found.metric == "binary accuracy"
    assert found.value == pytest.approx(((model.predict(X) > 0.5) == labels).mean())
    assert found.accuracy is None


def test_an_autoencoder_is_measured_by_its_error() -> None:
    model = made(6)
    assert measured(model, X).metric == "MAE"
    assert measured(model, X).value == pytest.approx(np.abs(model.predict(X) - X).mean(), rel=1e-6)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    model, labels = made(1), RNG.integers(0, 2, 40)
    scores = model.predict(X)[:, 0]
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[labels == 1] for b in scores[labels == 0]]
    assert measured(model, labels, "auc").value == pytest.approx(np.mean(pairs))


def test_intersection_over_union_is_its_definition() -> None:
    outputs = np.eye(3)[[0, 0, 1, 2]]
    assert METRICS["iou"].function(np.array([0, 1, 1, 2]), outputs) == pytest.approx(np.mean([1 / 2, 1 / 2, 1]))


def test_keras_metrics_their_names_and_functions_are_metrics() -> None:
    model, target = made(), RNG.normal(size=(40, 4)).astype(np.float32)
    outputs = model.predict(X)
    log_cosh = measured(model, target, "log_cosh_error") if hasattr(keras.metrics, "LogCoshError") else None
    by_class = measured(model, target, keras.metrics.MeanSquaredError())
    assert by_class.value == pytest.approx(((outputs - target) ** 2).mean(), rel=1e-5)
    assert log_cosh is None or log_cosh.value is not None
    largest = measured(model, target, lambda y, found: np.abs(y - found).max())
    assert largest.value == pytest.approx(np.abs(outputs - target).max(), rel=1e-6)
    categorical = measured(model, np.eye(4)[outputs.argmax(1)], "CategoricalAccuracy")
    assert categorical.value == 1.0


@pytest.mark.parametrize(("metric", "higher"), [("auc", True), ("mae", False), ("MeanAbsoluteError", False)])
def test_which_way_a_metric_is_better_is_known(metric: str, higher: bool) -> None:
    assert metric_named(metric).higher_is_better is higher


def two_headed() -> octavo.QuantizedModel:
    keras.utils.set_random_seed(2)
    inputs = keras.layers.Input((6,), name="x")
    kind = keras.layers.Dense(3, name="kind")(inputs)
    box = keras.layers.Dense(4, name="box")(inputs)
    return octavo.quantize(keras.Model(inputs, [kind, box]), "float32", verify="off")


@pytest.mark.parametrize("named", [True, False])
def test_each_output_is_measured_by_what_its_labels_ask(named: bool) -> None:
    model, kinds, boxes = two_headed(), RNG.integers(0, 3, 40), RNG.uniform(size=(40, 4))
    names = model.graph.outputs
    y = dict(zip(names, (kinds, boxes), strict=True)) if named else (kinds, boxes)
    found = measured(model, y)
    assert [output.metric for output in found.outputs] == ["accuracy", "MAE"]
    other = measured(model, y, {names[1]: "rmse"})
    assert [output.metric for output in other.outputs] == ["accuracy", "RMSE"]


@pytest.mark.parametrize(
    ("y", "metric", "fix"),
    [
        (np.zeros(40, int), "accurracy", "did you mean 'accuracy'"),
        (np.zeros(40, int), 3, "use one of accuracy"),
        (RNG.normal(size=(40, 4)), "accuracy", "use metric='mae'"),
        (np.zeros(40, int), ["mae", "mae"], "give them by name"),
        (np.zeros(40, int), {"elsewhere": "mae"}, "did you mean|use one of these names"),
    ],
)
def test_a_metric_that_cannot_be_is_refused(y: np.ndarray, metric: Any, fix: str) -> None:
    with pytest.raises(ConfigError, match=f"fix: +(?:{fix})"):
        measured(made(), y, metric)


def test_labels_of_no_output_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"fix: +name the labels by the outputs"):
        measured(made(), {"elsewhere": np.zeros(40)})


def test_a_metric_that_fails_says_of_what() -> None:
    for metric in (keras.metrics.TopKCategoricalAccuracy(2), lambda labels, outputs: {}["nothing"]):
        with pytest.raises(DatasetError, match=r"(?s)labels \(40,\), outputs \(40, 4\).*fix: +bring the labels"):
            measured(made(), np.zeros(40, int), metric)
    assert metric_named(keras.metrics.F1Score()).function(np.eye(3), np.eye(3)) == pytest.approx(1.0)


def test_labels_that_a_named_error_cannot_be_taken_of_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"fix: +give labels of the outputs' shape"):
        measured(made(), np.zeros((40, 3)), "mae")


class Batches(keras.utils.PyDataset):
    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        super().__init__()
        self.x, self.y = x, y

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(16 * index, 16 * index + 16)
        return self.x[part], self.y[part]


def test_a_test_set_comes_in_every_form_that_calibration_takes(tmp_path: Any) -> None:
    model, y = made(), RNG.integers(0, 4, 40)
    np.savez(tmp_path / "test.npz", x=X, y=y)
    expected = measured(model, y)
    forms: list[Any] = [
        Batches(X, y),
        list(zip(X, y, strict=True)),
        ((X[i : i + 7], y[i : i + 7]) for i in range(0, 40, 7)),
        lambda: iter(zip(X, np.eye(4)[y], strict=True)),
        tmp_path / "test.npz",
        (X, y),
        [X, y],
        {"x": X, "y": y},
    ]
    for form in forms:
        assert model.evaluate(form, time_it=False).outputs == expected.outputs


@pytest.mark.tensorflow
def test_a_test_set_of_tensorflow_is_read_and_one_without_end_is_refused() -> None:
    tf = pytest.importorskip("tensorflow")
    model, y = made(), RNG.integers(0, 4, 40)
    data = tf.data.Dataset.from_tensor_slices((X, y)).batch(9)
    assert model.evaluate(data, time_it=False).outputs == measured(model, y).outputs
    with pytest.raises(DatasetError, match=r"fix: +leave out repeat\(\)"):
        model.evaluate(data.repeat(), time_it=False)


def test_labels_of_several_outputs_come_in_batches_too() -> None:
    model, kinds, boxes = two_headed(), RNG.integers(0, 3, 40), RNG.uniform(size=(40, 4))
    batches = [(X[i : i + 8], (kinds[i : i + 8], boxes[i : i + 8])) for i in range(0, 40, 8)]
    read = labelled_samples(batches, [model.graph.tensors[name] for name in model.graph.inputs])
    np.testing.assert_array_equal(read.x["x"], X)
    np.testing.assert_array_equal(read.y[0], kinds)
    np.testing.assert_array_equal(read.y[1], boxes)


def test_a_file_holds_samples_by_input_and_labels_by_output(tmp_path: Path) -> None:
    model, kinds, boxes = two_headed(), RNG.integers(0, 3, 40), RNG.uniform(size=(40, 4))
    path, (first, second) = tmp_path / "test.npz", model.graph.outputs
    expected = measured(model, {first: kinds, second: boxes}).outputs
    for samples in ({"x": X}, {model.graph.inputs[0]: X}):
        np.savez(path, **samples, **{f"y_{first}": kinds, f"y_{second}": boxes})
        assert model.evaluate(path, time_it=False).outputs == expected
    layers = keras.layers
    sensor, place = layers.Input((6,), name="sensor"), layers.Input((2,), name="place")
    joined = keras.Model([sensor, place], layers.Dense(3, name="out")(layers.Concatenate()([sensor, place])))
    q = octavo.quantize(joined, "float32", verify="off")
    samples = {"sensor": X, "place": X[:, :2]}
    np.savez(path, **samples, y=kinds)
    assert q.evaluate(path, time_it=False).outputs == q.evaluate(samples, kinds, time_it=False).outputs


def test_samples_alone_have_no_labels_whatever_form_they_come_in(tmp_path: Path) -> None:
    np.save(tmp_path / "test.npy", X)
    inputs = [replace(tensor, name="image") for tensor in (made().graph.tensors["x"],)]
    for form in (X, {"image": X}, tmp_path / "test.npy", (X, None), list(X)):
        read = labelled_samples(form, inputs)
        assert read.y is None
        np.testing.assert_array_equal(read.x["image"], X)


def test_a_test_set_that_does_not_say_where_it_ends_is_measured_so_far_and_that_is_told() -> None:
    model, y = made(), RNG.integers(0, 4, 40)
    endless = ((X[i % 5 * 8 : i % 5 * 8 + 8], y[i % 5 * 8 : i % 5 * 8 + 8]) for i in itertools.count())
    found = model.evaluate(endless, time_it=False)
    assert found.samples == UNCOUNTED_TESTS
    assert found.notes[-1] == "measured on the first 10000 samples of a test set that does not say where it ends"
    assert found.accuracy == model.evaluate(X, y, time_it=False).accuracy
