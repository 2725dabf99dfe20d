"""What a model file is worth and what it costs."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from octavo.errors import DatasetError, NonFiniteError
from octavo.evaluate.accuracy import measure
from octavo.evaluate.evaluation import evaluate
from octavo.evaluate.latency import latency
from octavo.evaluate.memory import memory
from octavo.evaluate.predict import CHUNK, predict, predictions
from octavo.ir.types import Graph
from octavo.numerics.affine import dequantize, quantize
from octavo.run import reference
from octavo.run.litert import LiteRT
from octavo.run.micro import Micro
from octavo.write.tflite import write_tflite
from small_network import CLASSES, COUNT, float_network, images, network

pytest.importorskip("tflite_micro")


@cache
def content(scheme: str) -> bytes:
    return write_tflite(network(scheme))


@cache
def float_scores() -> np.ndarray:
    return reference.run(float_network(), {"image": images()})["scores"]


@cache
def two_outputs() -> bytes:
    graph = network("int8")
    return write_tflite(Graph("two", graph.tensors, graph.nodes, graph.inputs, ("scores", "features")))


def test_predictions_are_reals_whatever_integers_the_file_works_on() -> None:
    graph = network("int8")
    image, scores = graph.tensors["image"].quantization, graph.tensors["scores"].quantization
    assert image is not None
    assert scores is not None
    integers = quantize(images(), image, graph.tensors["image"].dtype)
    expected = dequantize(reference.run(graph, {"image": integers})["scores"], scores)
    (predicted,) = predictions(Micro(content("int8")), images())
    np.testing.assert_array_equal(predicted["scores"], expected)
    assert predicted["scores"].dtype == np.float32


def test_more_samples_than_a_chunk_come_back_in_order() -> None:
    many = np.concatenate([images()] * (CHUNK // COUNT + 1))
    together = predict(content("float32"), many)["scores"]
    assert len(many) > CHUNK
    np.testing.assert_array_equal(
        together, np.concatenate([predict(content("float32"), images())["scores"]] * (CHUNK // COUNT + 1))
    )


def test_accuracy_against_the_models_own_answers_is_perfect() -> None:
    answers = predict(content("int8"), images())["scores"]
    (accuracy,) = measure(LiteRT(content("int8")), images(), answers.argmax(-1), answers)
    assert (accuracy.top1, accuracy.top5) == (1.0, 1.0)
    assert accuracy.agreement == 1.0 - accuracy.ties
    assert (accuracy.max_error, accuracy.rms_error, accuracy.sqnr_db) == (0.0, 0.0, None)


def test_one_hot_labels_and_columns_of_labels_are_labels() -> None:
    labels = np.arange(COUNT) % CLASSES
    runtime = LiteRT(content("int8"))
    plain = measure(runtime, images(), labels)
    assert measure(runtime, images(), np.eye(CLASSES)[labels]) == plain
    assert measure(runtime, images(), labels[:, None]) == plain


def test_without_labels_nothing_is_said_of_classes() -> None:
    (accuracy,) = measure(LiteRT(content("int8")), images(), floats=float_scores())
    assert (accuracy.top1, accuracy.top5, accuracy.agreement, accuracy.ties) == (None, None, None, None)
    assert accuracy.max_error > 0
    assert accuracy.rms_error <= accuracy.max_error


def test_every_output_is_measured_by_itself() -> None:
    runtime = LiteRT(two_outputs())
    features = predict(two_outputs(), images())["features"]
    scores, second = measure(runtime, images(), np.zeros(COUNT, int), {"features": features, "scores": float_scores()})
    assert (scores.name, second.name) == ("scores", "features")
    assert scores.top1 is not None
    assert second.top1 is None
    assert second.max_error == 0.0
    assert scores.max_error > 0.0


def test_micro_can_be_measured_too() -> None:
    (accuracy,) = measure(Micro(content("int8")), images(), floats=float_scores())
    assert accuracy.sqnr_db > 0


@pytest.mark.parametrize(
    "x",
    [images()[..., :2], images()[0], images()[:0], np.float32(1.0)],
    ids=["shape", "no samples axis", "empty", "number"],
)
def test_samples_of_another_shape_are_refused(x: np.ndarray) -> None:
    with pytest.raises(DatasetError, match=r"fix: +reshape the samples"):
        predict(content("int8"), x)


@pytest.mark.parametrize("x", [{"picture": images()}, {}])
def test_samples_for_another_input_are_refused(x: dict[str, np.ndarray]) -> None:
    with pytest.raises(DatasetError, match=r"expected: one array for each of: image\n +fix: +give a dictionary"):
        predict(content("int8"), x)


def test_as_many_float_outputs_as_outputs_are_needed() -> None:
    with pytest.raises(DatasetError, match=r"(?s)got: +1 arrays.*fix: +give a dictionary"):
        measure(LiteRT(two_outputs()), images(), floats=float_scores())


def test_nan_in_a_sample_names_the_sample() -> None:
    bad = np.concatenate([images()] * (CHUNK // COUNT + 1))
    bad[CHUNK + 1, 2, 2, 0] = np.nan
    with pytest.raises(
        NonFiniteError, match=rf"sample {CHUNK + 1} of input 'image'(?s:.*)fix: +leave sample {CHUNK + 1}"
    ):
        predict(content("int8"), bad)


def test_integers_are_not_taken_for_real_values() -> None:
    with pytest.raises(DatasetError, match=r"fix: +pass x / 255\.0 if the model was trained on images in 0\.\.1"):
        predict(content("int8"), np.abs(255 * images()).astype(np.uint16))


def test_an_infinite_output_names_the_sample() -> None:
    huge = images().copy()
    huge[3] = 3e38
    with pytest.raises(NonFiniteError, match=r"(?s)'scores'.* infinite for sample 3.*fix: +check the model's weights"):
        measure(LiteRT(content("float32")), huge)


@pytest.mark.parametrize("y", [np.full(COUNT, CLASSES), np.full(COUNT, -1), np.zeros(COUNT - 1), np.zeros((COUNT, 3))])
def test_labels_that_do_not_fit_are_refused(y: np.ndarray) -> None:
    with pytest.raises(DatasetError, match=r"fix: +give as many labels as samples, numbered from 0"):
        measure(LiteRT(content("int8")), images(), y)


def test_float_outputs_of_other_samples_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"fix: +compute them with the float model on the very same samples"):
        measure(LiteRT(content("int8")), images(), floats=float_scores()[:-1])


def test_an_evaluation_holds_everything_and_turns_into_json() -> None:
    evaluation = evaluate(content("int8"), images(), np.zeros(COUNT, int), float_outputs=float_scores(), scheme="int8")
    plain = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert (plain["scheme"], plain["samples"], plain["memory"]["file_bytes"]) == ("int8", COUNT, len(content("int8")))
    assert plain["memory"]["arena_bytes"] == Micro(content("int8")).measure_arena()
    assert plain["latency"]["one_thread_ms"] > 0
    assert plain["outputs"][0]["top1"] == evaluation.top1
    assert evaluation.notes == ()


def test_a_model_micro_refuses_has_no_arena_and_a_reason() -> None:
    used = memory(content("dynamic"))
    assert (used.file_bytes, used.arena_bytes) == (len(content("dynamic")), None)
    assert "not supported" in used.arena_reason
    assert evaluate(content("dynamic"), images(), time_it=False).notes == (used.arena_reason,)


def test_latency_is_that_of_one_thread() -> None:
    assert 0 < latency(content("int8")).one_thread_ms < 1000


def test_an_evaluation_reads_like_a_table_everywhere() -> None:
    found = evaluate(content("int8"), images(), time_it=False)
    assert str(found) == repr(found)
    assert ["file", f"{len(content('int8')):,}", "bytes"] in [line.split() for line in str(found).splitlines()]
    assert "<table>" in found._repr_html_()


def test_an_evaluation_becomes_a_data_frame() -> None:
    pytest.importorskip("pandas")
    frame = evaluate(content("int8"), images(), time_it=False).to_pandas()
    assert frame["file_bytes"].tolist() == [len(content("int8"))]
