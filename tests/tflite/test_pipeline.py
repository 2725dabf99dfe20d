"""octavo.quantize from end to end: the same bytes, every option, proof, and what the result holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import octavo
from keras_networks import branching, convolutional, draw_weights, images
from octavo import qat
from octavo.config import SCHEMES, QuantizeConfig
from octavo.data.dataset import UNCOUNTED_SAMPLES
from octavo.dtypes import DType
from octavo.errors import ConfigError, VerificationError
from octavo.evaluate.fidelity import fidelity
from octavo.evaluate.proof import proven, random_samples
from octavo.ir.graph import with_tensors
from octavo.numerics.tensor_statistics import TensorStatistics
from octavo.result import QuantizedModel
from octavo.run.signature import read_signature
from octavo.stages import prepare
from octavo.write.tflite import write_tflite
from small_network import network
from small_network import samples as small_samples

DATA = images(24)


@pytest.fixture(scope="module")
def model() -> Any:
    return convolutional()


@pytest.fixture(scope="module")
def int8(model: Any) -> QuantizedModel:
    return octavo.quantize(model, "int8", DATA)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_model_data_and_seed_give_the_same_bytes(model: Any, scheme: str) -> None:
    first, second = (octavo.quantize(model, scheme, DATA, seed=3) for _ in range(2))
    assert first.model == second.model
    assert first.verification is not None
    assert first.verification.ok


def permuted() -> np.ndarray:
    return DATA[np.random.default_rng(5).permutation(len(DATA))]


def in_batches() -> Iterator[np.ndarray]:
    """Batches of 1, 2, 3, ... samples."""
    ends = np.cumsum(np.arange(7))
    yield from (DATA[start:end] for start, end in pairwise(ends))
    yield DATA[ends[-1] :]


ARRANGEMENTS: dict[str, Callable[[], Any]] = {
    "in another order": permuted,
    "in a function that returns a generator": lambda: in_batches,
    "in a generator": in_batches,
    "one by one": lambda: list(DATA),
    "with labels": lambda: (DATA, np.zeros(len(DATA))),
}


@pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
@pytest.mark.parametrize("estimator", ["minmax", "percentile", "mse"])
def test_the_same_samples_however_arranged_give_the_same_bytes(
    model: Any, estimator: Any, arrange: Callable[[], Any]
) -> None:
    options: dict[str, Any] = {"estimator": estimator, "percentile": 99.0, "verify": "off", "effort": "fast"}
    expected = octavo.quantize(model, "int8", DATA, **options)
    assert octavo.quantize(model, "int8", arrange(), **options).model == expected.model


def test_calibration_on_an_endless_generator_ends_and_says_where(model: Any) -> None:
    endless = (DATA[i % len(DATA)] for i in count())
    result = octavo.quantize(model, "int8", endless)
    (note,) = [note for note in result.notes if note.stage == "calibrate"]
    assert note.text.startswith(f"the first {UNCOUNTED_SAMPLES} were used")
    assert not [note for note in octavo.quantize(model, "int8", DATA).notes if note.stage == "calibrate"]


def test_a_generator_is_verified_with_and_calibrated_on_all_its_samples(model: Any) -> None:
    result = octavo.quantize(model, "int8", in_batches(), verify="full", effort="fast")
    assert result.model == octavo.quantize(model, "int8", DATA, verify="off", effort="fast").model
    assert result.verification is not None
    assert result.verification.inputs == len(DATA)


@pytest.mark.parametrize("ending", ["keras", "h5", "tflite"])
def test_a_saved_model_gives_the_ranges_of_the_one_in_memory(
    model: Any, int8: QuantizedModel, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"model.{ending}"
    if ending == "tflite":
        octavo.quantize(model, "float32", verify="off").save(path)
    else:
        model.save(path)
    result = octavo.quantize(path, "int8", DATA)
    assert sorted(result.ranges.values()) == sorted(int8.ranges.values())
    assert ending == "tflite" or result.model == int8.model


def test_int8_is_the_default_and_leaves_no_float(model: Any, int8: QuantizedModel) -> None:
    assert octavo.quantize(model, data=DATA, verify="off").model == int8.model
    assert int8.islands == ()
    assert not [tensor.name for tensor in int8.graph.tensors.values() if tensor.dtype.is_float]


@pytest.mark.parametrize("trained", [False, True])
def test_an_input_that_nothing_reads_is_an_integer_too(trained: bool) -> None:
    read, other = keras.Input((6,), name="read"), keras.Input((2,), name="other")
    model, data = keras.Model([read, other], keras.layers.Dense(3)(read)), {"read": DATA[:, 0, 0, :1].repeat(6, 1)}
    data["other"] = data["read"][:, :2]
    made = octavo.quantize(qat.quantize_model(model, data=data)) if trained else octavo.quantize(model, "int8", data)
    assert {made.graph.tensors[name].dtype for name in (*made.graph.inputs, *made.graph.outputs)} == {DType.INT8}
    assert made.verification is not None
    assert made.verification.ok


def test_the_result_tells_how_it_was_made(model: Any) -> None:
    told: list[tuple[str, int, int | None]] = []
    result = octavo.quantize(model, "int8", DATA, seed=7, progress=lambda *news: told.append(news))
    assert set(result.seconds) == {"load", "plan", "condition", "calibrate", "quantize", "write", "mix", "verify"}
    assert told[-1] == ("calibrate", len(DATA), len(DATA))
    assert set(result.ranges) == {"image", "relu", "depthwise", "sum", "scores/fully_connected"}
    start = result.model.index(b'{"made_by"')
    facts = json.loads(result.model[start : result.model.index(b"}", start) + 1])
    made_by = f"octavo {octavo.__version__}"
    assert facts == {"made_by": made_by, "ranges": "minmax of 24 samples", "scheme": "int8", "seed": 7}


def test_only_as_many_samples_as_asked_for_are_used(model: Any) -> None:
    few = octavo.quantize(model, "int8", DATA, samples=5, verify="off")
    assert few.model == octavo.quantize(model, "int8", DATA[:5], verify="off").model
    assert few.model != octavo.quantize(model, "int8", DATA, verify="off").model


def test_a_model_that_scales_images_itself_takes_their_integers() -> None:
    layers = keras.layers
    model = draw_weights(keras.Sequential([keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3)]))
    pixels = np.random.default_rng(4).integers(0, 256, (10, 8, 8, 3)).astype(np.uint8)
    result = octavo.quantize(model, "int8", pixels)
    assert result.model == octavo.quantize(model, "int8", pixels.astype(np.float32)).model
    assert result.verification is not None
    assert result.verification.ok


def test_percentiles_cut_what_minmax_keeps(model: Any) -> None:
    data = DATA.copy()
    data[0, 0, 0, 0] = 1000.0
    wide = octavo.quantize(model, "int8", data, verify="off").ranges["image"]
    narrow = octavo.quantize(model, "int8", data, estimator="percentile", percentile=99.9, verify="off").ranges["image"]
    assert wide == (float(data.min()), 1000.0)
    # One value in 4,608 is an outlier; of the others, half a thousandth is cut at each end.
    assert float(np.sort(DATA.ravel())[-10]) < narrow[1] <= float(DATA.max())


def test_one_scale_a_tensor_makes_a_smaller_file(model: Any, int8: QuantizedModel) -> None:
    coarse = octavo.quantize(model, "int8", DATA, per_axis=False)
    assert coarse.verification is not None
    assert coarse.verification.ok
    assert len(coarse.model) < len(int8.model)


@pytest.mark.parametrize("skip", [("depthwise",), ("d*", "scores")])
def test_a_skipped_layer_is_an_island_and_a_remark(model: Any, skip: tuple[str, ...]) -> None:
    result = octavo.quantize(model, "int8", DATA, skip=skip)
    assert result.verification is not None
    assert result.verification.ok
    assert {island.layer for island in result.islands} == {"depthwise", *skip[1:]}
    assert {island.reason for island in result.islands} == {"named in skip"}
    remarks = [note.text for note in result.notes if note.stage == "plan"]
    assert "DEPTHWISE_CONV_2D stays in float: named in skip" in remarks
    assert len(remarks) == len(result.islands)


def test_inputs_and_outputs_take_the_types_asked_for(model: Any, int8: QuantizedModel) -> None:
    result = octavo.quantize(model, "int8", DATA, input_type="uint8", output_type="float32")
    signature = read_signature(result.model)
    assert [port.dtype for port in (*signature.inputs, *signature.outputs)] == [DType.UINT8, DType.FLOAT32]
    np.testing.assert_array_equal(result.predict(DATA), int8.predict(DATA))


@pytest.mark.parametrize(("verify", "inputs"), [("sample", 4), ("full", 24)])
def test_verification_runs_some_or_all_samples(model: Any, verify: Any, inputs: int) -> None:
    verification = octavo.quantize(model, "int8", DATA, verify=verify).verification
    assert verification is not None
    assert [check.inputs for check in verification.runtimes] == [inputs] * 3
    assert verification.runtimes[0].exact


def test_verification_can_be_switched_off_and_is_then_absent(model: Any) -> None:
    result = octavo.quantize(model, "int8", DATA, verify="off")
    assert result.verification is None
    assert result.fidelity is None


def test_the_result_tells_how_far_it_is_from_the_float_model(model: Any, int8: QuantizedModel) -> None:
    wanted = octavo.quantize(model, "float32").predict(DATA[:4])
    found = int8.predict(DATA[:4])
    assert int8.fidelity is not None
    (output,) = int8.fidelity.rounding
    assert int8.fidelity.samples == 4
    assert output.max_error == pytest.approx(np.abs(found - wanted).max())
    assert output.sqnr_db == pytest.approx(10 * np.log10((wanted**2).sum() / ((found - wanted) ** 2).sum()), rel=1e-4)
    assert not [note for note in int8.notes if note.stage == "verify"]


def test_the_graph_that_was_read_is_held_against_keras(model: Any, int8: QuantizedModel, tmp_path: Path) -> None:
    assert int8.fidelity is not None
    (output,) = int8.fidelity.loading
    assert output.sqnr_db is None or output.sqnr_db > 100
    model.save(tmp_path / "model.keras")
    octavo.quantize(model, "float32").save(tmp_path / "model.tflite")
    from_keras, from_file = (octavo.quantize(tmp_path / f"model.{kind}", "float32") for kind in ("keras", "tflite"))
    assert from_keras.fidelity is not None
    assert from_keras.fidelity.loading[0].name == output.name
    assert from_file.fidelity is not None
    assert from_file.fidelity.loading == ()


def test_a_graph_that_computes_something_else_than_keras_is_told(model: Any) -> None:
    prepared = prepare(model)
    compute, graph = prepared.compute, prepared.graph
    samples = [{"image": DATA[:1]}]
    assert compute is not None

    def negated(sample: Any) -> dict[str, np.ndarray]:
        return {name: -values for name, values in compute(sample).items()}

    assert fidelity(write_tflite(graph), graph, samples, compute).notes == ()
    (note,) = fidelity(write_tflite(graph), graph, samples, negated).notes
    assert note.text == "is computed otherwise by Keras here, SQNR -6.0 dB: please report it"


def test_a_model_that_keras_cannot_run_is_told_and_quantized(model: Any) -> None:
    def broken(sample: object) -> Any:
        raise RuntimeError("no such kernel\non this machine")

    graph = prepare(model).graph
    found = fidelity(write_tflite(graph), graph, [{"image": DATA[:1]}], broken)
    assert found.loading == ()
    assert found.notes[0].text == "cannot be run by Keras, to compare with: no such kernel"


def test_a_result_far_from_the_float_model_says_so() -> None:
    layer = keras.layers.Dense(4, name="dense", kernel_initializer="ones")
    model = keras.Sequential([keras.Input((8,)), layer])
    small = np.random.default_rng(1).uniform(-1e-3, 1e-3, (50, 8)).astype(np.float32)
    result = octavo.quantize(model, "int8", np.concatenate([small, [[1e3] * 8]]).astype(np.float32))
    (note,) = (note for note in result.notes if note.stage == "verify")
    assert "differs much from the float model's output, SQNR 0.0 dB on 4 samples" in note.text


def test_samples_drawn_at_random_come_from_the_known_range_and_raise_no_alarm(model: Any) -> None:
    q = octavo.quantize(model, data=octavo.calibrate(model, DATA * 100))
    assert q.fidelity is not None
    assert q.fidelity.random
    assert not octavo.quantize(model, data=DATA).fidelity.random  # type: ignore[union-attr]
    drawn = random_samples(prepare(model).graph, 0, {"image": (-200.0, 300.0)})
    values = np.concatenate([sample["image"].ravel() for sample in drawn])
    assert (values.min() < -190, values.max() > 290) == (True, True)
    assert (values.min() >= -200, values.max() <= 300) == (True, True)
    wild = octavo.quantize(qat.quantize_model(model, data=DATA * 1000))
    assert not [note for note in wild.notes if "try quantization-aware training" in note.text]


def test_the_title_says_what_goes_in_and_out(model: Any, int8: QuantizedModel) -> None:
    assert int8.title == "full integer, int8 activations and weights; int8 in, int8 out"
    other = octavo.quantize(model, "int8", DATA, input_type="uint8", output_type="float32", verify="off")
    assert other.title.endswith("; uint8 in, float32 out")


@pytest.mark.parametrize(("classes", "told"), [(10, False), (400, True)])
def test_shares_that_no_longer_sum_to_one_are_told(classes: int, told: bool) -> None:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(classes, activation="softmax", name="shares")])
    data = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32) / 50
    notes = [note for note in octavo.quantize(model, data=data, mix=False).notes if "sums to" in note.text]
    assert bool(notes) == told
    assert all(note.subject == "shares" for note in notes)


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic"])
def test_schemes_with_float_activations_need_no_data_and_are_proven_all_the_same(model: Any, scheme: str) -> None:
    result = octavo.quantize(model, scheme)
    assert result.verification is not None
    assert result.verification.inputs == 4
    assert result.ranges == {}


def test_a_file_that_computes_something_else_is_not_handed_over() -> None:
    graph = network("int8")
    bias = graph.tensors["features/bias"]
    assert bias.data is not None
    wrong = write_tflite(with_tensors(graph, [replace(bias, data=bias.data + 1000)]))
    with pytest.raises(VerificationError, match=r"fix: +report this with the model's layers") as error:
        proven(wrong, graph, small_samples(), QuantizeConfig("int8"))
    assert "CONV_2D of 'features' is off by" in error.value.got


def test_several_inputs_and_outputs_go_by_name() -> None:
    model = branching()
    rng = np.random.default_rng(2)
    x = {name: rng.normal(size=(30, 6)).astype(np.float32) for name in ("first", "second")}
    result = octavo.quantize(model, "int8", x)
    outputs = result.predict(x)
    assert isinstance(outputs, dict)
    expected = dict(zip(outputs, model.predict([x["first"], x["second"]], verbose=0), strict=True))
    for name, values in outputs.items():
        step = read_signature(result.model).outputs[list(outputs).index(name)].quantization
        assert step is not None
        # Four roundings on the way (inputs, weights, sum, output), each of at most a step where it is made.
        assert np.abs(values - expected[name]).max() <= 4 * float(step.scale[0])


def test_a_result_is_saved_and_evaluated(int8: QuantizedModel, tmp_path: Path) -> None:
    path = int8.save(tmp_path / "model.tflite")
    assert path.read_bytes() == int8.model
    own = np.asarray(int8.predict(DATA)).argmax(axis=1)
    evaluation = int8.evaluate(DATA, own, time_it=False)
    assert (evaluation.scheme, evaluation.samples, evaluation.top1) == ("int8", len(DATA), 1.0)
    assert evaluation.memory.file_bytes == len(int8.model)
    assert evaluation.memory.arena_bytes


def test_options_that_a_trained_model_has_decided_are_refused(model: Any) -> None:
    trained = qat.quantize_model(model, data=DATA)
    with pytest.raises(ConfigError, match=r"fix: +leave skip out, or quantize octavo.qat.strip\(model\) with it"):
        octavo.quantize(trained, skip=["conv"])
    with pytest.raises(
        ConfigError, match=r"fix: +leave scheme out, or quantize octavo.qat.strip\(model\) by 'dynamic'"
    ):
        octavo.quantize(trained, "dynamic")


class Half:
    """An estimator of one's own: half of each extreme."""

    name, needs_histogram = "half", False

    def range_of(self, statistics: TensorStatistics, dtype: DType) -> tuple[float, float]:
        assert dtype is DType.INT8
        return statistics.low / 2, statistics.high / 2


def test_an_estimator_of_ones_own_makes_the_ranges(model: Any, int8: QuantizedModel) -> None:
    own = octavo.quantize(model, data=DATA, estimator=Half(), effort="fast")
    assert own.ranges["image"] == tuple(end / 2 for end in int8.ranges["image"])
    statistics = octavo.calibrate(model, DATA, estimator=Half())
    assert octavo.quantize(model, data=statistics, estimator=Half(), verify="off").model == own.model
    assert b"half of 24 samples" in own.model
