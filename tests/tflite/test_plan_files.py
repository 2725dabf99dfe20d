"""The file of every kind of plan, run by every runtime and compared with the float model."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.config import IO_TYPES
from octavo.evaluate.predict import decode, encode, predict
from octavo.evaluate.verify import verify
from octavo.ir.types import Graph
from octavo.quantization.io_types import set_io_types
from octavo.run import reference
from octavo.run.micro import Micro
from octavo.run.signature import read_signature
from octavo.write.tflite import write_tflite
from plan_graphs import GRAPHS, SAMPLES, executed, graph_of, least_sqnr_db, planned, samples
from single_op import Values

SCHEMES = ("float32", "float16", "dynamic", "int8", "int16x8", "int8x4")
MICRO = 0


def batch(graph: Graph) -> Values:
    """The samples, stacked."""
    return {name: np.concatenate([values[name] for values in samples(graph)]) for name in graph.inputs}


def truth(graph: Graph) -> Values:
    """The float model's results on the samples, in the order of its outputs."""
    runs = [reference.run(graph, values) for values in samples(graph)]
    return {name: np.concatenate([run[name] for run in runs]) for name in graph.outputs}


def sqnr_db(expected: np.ndarray, found: np.ndarray) -> float:
    noise = np.mean(np.square(expected.astype(np.float64) - found))
    return np.inf if noise == 0 else 10 * float(np.log10(np.mean(np.square(expected.astype(np.float64))) / noise))


def worst_sqnr_db(graph: Graph, found: Values) -> float:
    expected = truth(graph)
    return min(sqnr_db(*pair) for pair in zip(expected.values(), found.values(), strict=True))


def in_micro(model: bytes, graph: Graph) -> Values:
    """Real results of TensorFlow Lite Micro on the samples."""
    signature, runtime = read_signature(model), Micro(model)
    runs = [
        runtime.run({port.name: encode(values[port.name], port) for port in signature.inputs})
        for values in samples(graph)
    ]
    return {port.name: np.concatenate([decode(run[port.name], port) for run in runs]) for port in signature.outputs}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_file_computes_what_the_model_computes_within_the_schemes_noise(name: str, scheme: str) -> None:
    graph, plan = planned(name, scheme)
    quantized = executed(graph, plan)
    model = write_tflite(quantized)
    verification = verify(model, quantized, samples(graph), "full")
    assert verification.ok, verification.notes
    assert verification.inputs == SAMPLES
    if plan.scheme.needs_data and not plan.islands:
        assert verification.runtimes[MICRO].exact, verification.notes[MICRO]
    assert worst_sqnr_db(graph, predict(model, batch(graph))) >= least_sqnr_db(graph, scheme)


@pytest.mark.parametrize("scheme", ["int8", "int16x8", "int8x4"])
def test_weights_per_tensor_cost_accuracy_and_nothing_else(scheme: str) -> None:
    graph, plan = planned("a chain that only moves values", scheme, per_axis=False)
    quantized = executed(graph, plan)
    model = write_tflite(quantized)
    verification = verify(model, quantized, samples(graph), "full")
    assert verification.runtimes[MICRO].exact, verification.notes[MICRO]
    assert worst_sqnr_db(graph, predict(model, batch(graph))) >= least_sqnr_db(graph, scheme)


def test_layers_with_weights_of_their_own_run_in_every_runtime() -> None:
    layers = [{"pattern": "conv", "weights": "int4"}, {"pattern": "dense", "per_axis": False}]
    graph, plan = planned("a chain that only moves values", layers=layers)
    quantized = executed(graph, plan)
    model = write_tflite(quantized)
    verification = verify(model, quantized, samples(graph), "full")
    assert verification.runtimes[MICRO].exact, verification.notes[MICRO]
    assert worst_sqnr_db(graph, predict(model, batch(graph))) >= least_sqnr_db(graph, "int8x4")


@pytest.mark.parametrize("skip", ["conv", "pool", "flatten", "dense", "*"])
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_a_model_with_a_float_island_anywhere_runs_in_every_runtime(scheme: str, skip: str) -> None:
    graph, plan = planned("a chain that only moves values", scheme, skip=[skip])
    quantized = executed(graph, plan)
    model = write_tflite(quantized)
    verification = verify(model, quantized, samples(graph), "full")
    assert verification.ok, verification.notes
    assert all(check.inputs == SAMPLES for check in verification.runtimes), verification.notes
    assert worst_sqnr_db(graph, predict(model, batch(graph))) >= least_sqnr_db(graph, scheme)


@pytest.mark.parametrize("output_type", IO_TYPES)
@pytest.mark.parametrize("input_type", IO_TYPES)
@pytest.mark.parametrize("scheme", ["int8", "int16x8"])
def test_inputs_and_outputs_of_any_type_run_in_litert_and_in_micro(
    scheme: str, input_type: str, output_type: str
) -> None:
    graph = graph_of("an output that is also read, among several")
    _, plan = planned("an output that is also read, among several", scheme)
    quantized = set_io_types(executed(graph, plan), IO_TYPES[input_type], IO_TYPES[output_type])
    model = write_tflite(quantized)
    verification = verify(model, quantized, samples(graph), "full")
    assert verification.ok, verification.notes
    # Each of the two conversions rounds once more, on a grid at most twice as coarse where it is made symmetric.
    bound = least_sqnr_db(graph, "int8") - 6 - 10 * np.log10(1 + 2 / len(graph.tensors))
    assert worst_sqnr_db(graph, predict(model, batch(graph))) >= bound
    assert worst_sqnr_db(graph, in_micro(model, graph)) >= bound


def test_an_input_that_is_an_output_may_have_two_types() -> None:
    graph, plan = planned("an input that is an output")
    quantized = set_io_types(executed(graph, plan), IO_TYPES["uint8"], IO_TYPES["float32"])
    model = write_tflite(quantized)
    verification = verify(model, quantized, samples(graph), "full")
    assert verification.runtimes[MICRO].exact, verification.notes[MICRO]
    assert worst_sqnr_db(graph, predict(model, batch(graph))) >= least_sqnr_db(graph, "int8")
