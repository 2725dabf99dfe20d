"""Verification passes what is right and finds what is wrong, where it is wrong."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

import octavo
from octavo.errors import NonFiniteError
from octavo.evaluate.verification import Difference, RuntimeCheck, Verification
from octavo.evaluate.verify import SAMPLE_INPUTS, SAMPLE_VALUES, sample_size, verify
from octavo.ir.graph import with_tensors
from octavo.ir.types import Graph
from octavo.ops.build import GraphBuilder
from octavo.run.litert import LiteRT
from octavo.run.targets import DEFAULT as DEFAULT_TARGET
from octavo.run.targets import TARGETS
from octavo.write.tflite import write_tflite
from small_network import COUNT, network, samples

pytest.importorskip("tflite_micro")

SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[3] / "shared"))
MICRO, REFERENCE, DEFAULT = range(3)


@cache
def verified(scheme: str) -> Verification:
    return verify(write_tflite(network(scheme)), network(scheme), samples())


def altered(graph: Graph, name: str, change: float) -> Graph:
    """The graph with `change` added to the first element of a constant."""
    tensor = graph.tensors[name]
    assert tensor.data is not None
    data = tensor.data.copy()
    data.flat[0] += change
    return with_tensors(graph, [replace(tensor, data=data)])


@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_an_integer_file_equals_the_reference_in_micro_and_stays_within_a_step_elsewhere(scheme: str) -> None:
    verification = verified(scheme)
    assert verification.ok
    assert verification.runtimes[MICRO].exact
    assert verification.runtimes[MICRO].elements == SAMPLE_INPUTS * (2 * 288 + 7)
    assert all(check.inputs == SAMPLE_INPUTS and check.largest_steps <= 1 for check in verification.runtimes)


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic"])
def test_a_float_file_stays_within_what_rounding_allows(scheme: str) -> None:
    verification = verified(scheme)
    assert verification.ok
    assert all(check.inputs == SAMPLE_INPUTS for check in verification.runtimes[REFERENCE:])


@pytest.mark.parametrize(("scheme", "reason"), [("dynamic", "hybrid"), ("float16", "float16")])
def test_what_micro_cannot_run_is_said_and_no_failure(scheme: str, reason: str) -> None:
    check = verified(scheme).runtimes[MICRO]
    assert check.ok
    assert check.inputs == 0
    assert reason in check.reason


@pytest.mark.parametrize(
    ("scheme", "constant", "change"), [("int8", "features/bias", 2000), ("float32", "features/kernel", 0.01)]
)
def test_a_file_that_computes_something_else_is_blamed_at_its_layer_and_nowhere_else(
    scheme: str, constant: str, change: float
) -> None:
    verification = verify(write_tflite(altered(network(scheme), constant, change)), network(scheme), samples())
    assert not verification.ok
    for check in verification.runtimes:
        assert not check.ok
        assert [each.layer for each in check.differences if each.excessive] == ["features"]
        assert "WRONG: CONV_2D of 'features'" in check.summary()


def test_wrong_weights_of_a_hybrid_layer_are_found() -> None:
    graph = network("dynamic")
    weights = graph.tensors["scores/weights"]
    assert weights.data is not None
    negated = with_tensors(graph, [replace(weights, data=-weights.data)])
    verification = verify(write_tflite(negated), graph, samples())
    assert [check.ok for check in verification.runtimes] == [True, False, False]


def test_one_step_is_too_much_for_micro_and_not_for_the_default_kernels() -> None:
    graph = network("int8")
    scores = graph.tensors["scores"]
    assert scores.quantization is not None
    features, weights = graph.tensors["flat/reshape"].quantization, graph.tensors["scores/weights"].quantization
    assert features is not None
    assert weights is not None
    step = int(scores.quantization.scale[0] / (features.scale[0] * weights.scale[0]))
    verification = verify(write_tflite(altered(graph, "scores/offset", step)), graph, samples())
    assert verification.runtimes[MICRO].largest_steps == 1
    assert not verification.runtimes[MICRO].ok
    assert verification.runtimes[DEFAULT].ok


def test_a_sample_runs_a_few_inputs_and_full_runs_all() -> None:
    graph = network("int8")
    model = write_tflite(graph)
    assert verify(model, graph, samples()).inputs == SAMPLE_INPUTS < COUNT
    assert verify(model, graph, samples(), "full").inputs == COUNT


def test_the_larger_the_graph_the_fewer_inputs_make_a_sample() -> None:
    b = GraphBuilder("large")
    graph = b.finish([b.emit("RELU", [b.input("x", (1, SAMPLE_VALUES // 2))])])
    assert (sample_size(network("int8")), sample_size(graph)) == (SAMPLE_INPUTS, 2)


def test_without_tflite_micro_the_rest_is_verified_and_the_absence_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    verification = verify(write_tflite(network("int8")), network("int8"), samples())
    assert verification.ok
    assert 'pip install "octavo[micro]"' in verification.notes[MICRO]
    assert verification.runtimes[REFERENCE].inputs == SAMPLE_INPUTS


def test_a_fourth_runtime_is_one_more_target(monkeypatch: pytest.MonkeyPatch) -> None:
    fourth = replace(DEFAULT_TARGET, name="LiteRT on two threads", opener=partial(LiteRT, threads=2), required=False)
    monkeypatch.setattr("octavo.evaluate.verify.TARGETS", (*TARGETS, fourth))
    *others, check = verify(write_tflite(network("int8")), network("int8"), samples()).runtimes
    assert (check.runtime, check.inputs, check.required) == ("LiteRT on two threads", SAMPLE_INPUTS, False)
    assert replace(check, runtime=others[DEFAULT].runtime, required=True) == others[DEFAULT]


def test_a_sample_with_nan_is_refused() -> None:
    bad = {"image": np.full((1, 6, 6, 3), np.nan, np.float32)}
    with pytest.raises(NonFiniteError, match=r"fix: +leave sample 0 out"):
        verify(write_tflite(network("int8")), network("int8"), [bad])


def test_a_nan_where_a_number_should_be_is_an_infinite_difference() -> None:
    graph = network("float32")
    verification = verify(write_tflite(altered(graph, "features/bias", math.nan)), graph, samples())
    worst = verification.runtimes[REFERENCE].differences[0]
    assert (worst.layer, worst.largest) == ("features", math.inf)
    json.dumps(verification.to_dict(), allow_nan=False)


def test_differences_of_several_inputs_add_up_and_an_excessive_one_is_kept() -> None:
    small = Difference("ADD", "a", "a", 1, 10, largest=5e-3, allowed=1e-2, unit="real")
    large = Difference("ADD", "a", "a", 2, 10, largest=4e-3, allowed=1e-3, unit="real")
    assert small + large == large + small == replace(large, differing=3, elements=20)
    assert (small + large).excessive


def test_a_file_that_does_not_run_is_a_failure_where_it_must_run() -> None:
    assert not Verification(1, (RuntimeCheck("LiteRT default", reason="no kernel", required=True),)).ok
    assert Verification(1, (RuntimeCheck("TensorFlow Lite Micro", reason="no kernel"),)).ok


def test_a_model_on_which_micro_would_end_our_process_is_reported() -> None:
    # Its SLICE stops at five dimensions, with abort().
    rank = 6
    sizes = (1, *[2] * (rank - 1))
    b = GraphBuilder("deep")
    x = b.input("x", sizes)
    b.layer = "slice"
    begin, size = b.constant(np.zeros(rank, np.int32), "begin"), b.constant(np.ones(rank, np.int32), "size")
    graph = b.finish([b.emit("SLICE", [x, begin, size])])
    check = verify(write_tflite(graph), graph, [{"x": np.ones(sizes, np.float32)}]).runtimes[MICRO]
    assert check.ok
    assert "ends the process" in check.reason


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared models and data are absent")
def test_resnet8_is_proven_operator_by_operator() -> None:
    images = np.load(SHARED / "data" / "cifar10_train4000_lossless.npz")["x"][:50].astype(np.float32)
    verification = octavo.quantize(SHARED / "models" / "resnet8.keras", data=images).verification
    assert verification.runtimes[MICRO].exact
    assert verification.runtimes[MICRO].operators == 16
    assert verification.ok
