"""Operators with state: what a file of an LSTM computes, what its state does between runs, and how it is quantized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import octavo
from octavo.calibration.runner import calibrate
from octavo.condition import BiasCorrection, Conditioned, Samples, condition
from octavo.condition.rounding import with_rounded_weights
from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import UnsupportedLayerError
from octavo.ir.types import Graph, Quantization
from octavo.load.tflite import load_tflite, read_tflite
from octavo.ops.operands import states
from octavo.ops.recurrent_kernels import BIASES, CELL, DATA, HIDDEN, INPUT_WEIGHTS, RECURRENT_WEIGHTS, LstmOptions
from octavo.ops.spec import Example
from octavo.ops.table import spec_of
from octavo.ops.text import format_graph, parse_graph
from octavo.plan.make import make_plan
from octavo.run import reference
from octavo.run.litert import LiteRT
from octavo.run.micro import Micro
from octavo.write.tflite import write_tflite
from single_op import Values, as_integers, float_graph, integer_graph, samples

pytest.importorskip("tflite_micro")

INT8 = QuantizeConfig(scheme="int8")
SPEC = spec_of("UNIDIRECTIONAL_SEQUENCE_LSTM")
OPEN: dict[str, Callable[[bytes], LiteRT | Micro]] = {
    "LiteRT default": LiteRT,
    "LiteRT reference": lambda model: LiteRT(model, kernels="reference"),
    "TensorFlow Lite Micro": Micro,
}
TIMES, FEATURES, UNITS = 12, 6, 8
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM(x, {}, {}, _, _, _, {}, _, _, hidden, cell, _, _, _, _)".format(
    *(", ".join(f"{kind}{i}" for i in range(4)) for kind in "wrb")
)


def lines(times: int) -> list[str]:
    """An LSTM over so many steps in time, as text."""
    return [
        "graph network",
        f"input x: float32[1,{times},{FEATURES}]",
        *(f"const w{i}: float32[{UNITS},{FEATURES}] = normal({i}) @memory" for i in range(4)),
        *(f"const r{i}: float32[{UNITS},{UNITS}] = 0.1 @memory" for i in range(4)),
        *(f"const b{i}: float32[{UNITS}] = normal({i + 9}) @memory" for i in range(4)),
        f"variable hidden: float32[1,{UNITS}] @memory",
        f"variable cell: float32[1,{UNITS}] @memory",
        f"memory = {LSTM} @memory",
    ]


def network() -> Graph:
    """An LSTM, and a dense layer on all it says."""
    dense = [
        f"const shape: int32[2] = -1 {TIMES * UNITS} @flat",
        f"const dense: float32[5,{TIMES * UNITS}] = normal(21) @scores",
        "const offset: float32[5] = 0.5 @scores",
        "flat = RESHAPE(memory, shape) @flat",
        "scores = FULLY_CONNECTED(flat, dense, offset) @scores",
        "output scores",
    ]
    return parse_graph("\n".join([*lines(TIMES), *dense]))


def waves(count: int) -> np.ndarray:
    """Smooth sequences, shape (count, TIMES, FEATURES)."""
    rng = np.random.default_rng(4)
    phase, speed = rng.uniform(0, 6, (count, 1, FEATURES)), rng.uniform(0.1, 0.6, (count, 1, FEATURES))
    return np.sin(phase + speed * np.arange(TIMES)[:, None]).astype(np.float32)


def random_example(rng: np.random.Generator) -> Example:
    """An LSTM of any size, weak or strong recurrence, batch or time first."""
    times, features, units = (int(rng.integers(1, limit)) for limit in (21, 41, 65))
    gain = rng.choice([0.3, 1, 3])
    options = LstmOptions(cell_clip=float(rng.choice([0, 0.4, 2])), time_major=bool(rng.integers(2)))
    shapes = dict.fromkeys(INPUT_WEIGHTS, (units, features)) | dict.fromkeys(RECURRENT_WEIGHTS, (units, units))
    constants = {i: rng.normal(size=shape) * gain / np.sqrt(shape[1]) for i, shape in shapes.items()}
    constants |= {i: rng.normal(size=units) * gain for i in BIASES}
    shape = (times, 1, features) if options.time_major else (1, times, features)
    return Example(
        tuple(shape if i == DATA else None for i in range(len(SPEC.inputs))),
        {i: array.astype(np.float32) for i, array in constants.items()},
        options,
        low=-float(rng.uniform(0, 4)),
        high=float(rng.uniform(0.1, 4)),
        states=dict.fromkeys((HIDDEN, CELL), (1, units)),
    )


def seen(runtime: LiteRT | Micro, names: list[str]) -> Values:
    return {name: runtime.tensor(name) for name in names}


@pytest.mark.parametrize("seed", range(16))
def test_an_integer_lstm_of_any_size_equals_micro_in_its_results_and_its_state(seed: int) -> None:
    example = random_example(np.random.default_rng(seed))
    floats = samples(float_graph(SPEC, example), example)
    graph = integer_graph(float_graph(SPEC, example), floats, INT8)
    kept = [*graph.outputs, *(tensor.name for tensor in states(graph, graph.nodes[0]))]
    micro, state = Micro(write_tflite(graph), keep_all=True), None
    # The state is carried on: each sample starts from what the one before left.
    for values in (as_integers(graph, sample) for sample in floats):
        expected = reference.run(graph, values, keep=kept, state=state)
        micro.run(values)
        for name, array in seen(micro, kept).items():
            assert np.array_equal(array.reshape(expected[name].shape), expected[name])
        state = {name: expected[name] for name in kept[1:]}


def test_an_integer_lstm_takes_any_parameters_that_a_file_may_have() -> None:
    rng = np.random.default_rng(8)
    example = random_example(np.random.default_rng(3))
    floats = samples(float_graph(SPEC, example), example)
    graph = integer_graph(float_graph(SPEC, example), floats, INT8)
    (node,) = graph.nodes
    for power in (-15, -12, -11, -9):
        shown = Quantization(10.0 ** rng.uniform(-3, -1.5), rng.integers(-128, 128))
        cell = Quantization(np.array(2.0**power), np.array(0))
        given = {node.outputs[0]: shown, str(node.inputs[HIDDEN]): shown, str(node.inputs[CELL]): cell}
        given[node.intermediates[-1]] = shown
        tensors = {name: replace(graph.tensors[name], quantization=each) for name, each in given.items()}
        other = replace(graph, tensors={**graph.tensors, **tensors})
        values = as_integers(other, floats[0])
        (name,) = other.outputs
        assert np.array_equal(Micro(write_tflite(other)).run(values)[name], reference.run(other, values)[name])


@pytest.mark.parametrize("runtime", OPEN)
@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_a_reset_lets_a_run_be_the_first_again(scheme: str, runtime: str) -> None:
    inputs = [{"x": sample[None]} for sample in waves(4)]
    graph = network() if scheme == "float32" else integer_graph(network(), inputs, INT8)
    values = [as_integers(graph, each) for each in inputs]
    model = OPEN[runtime](write_tflite(graph))
    first = model.run(values[0])["scores"]
    later = model.run(values[0])["scores"]
    model.reset()
    again = model.run(values[0])["scores"]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)


def test_a_sequence_in_two_parts_gives_what_it_gives_at_once() -> None:
    example = random_example(np.random.default_rng(5))
    example = replace(example, options=LstmOptions(), shapes=((1, 8, example.shapes[0][-1]), *example.shapes[1:]))  # type: ignore[index]
    whole = float_graph(SPEC, example)
    half = float_graph(SPEC, replace(example, shapes=((1, 4, whole.tensors["x0"].shape[-1]), *example.shapes[1:])))
    (x,) = (sample["x0"] for sample in samples(whole, example)[:1])
    (name,), kept = whole.outputs, [*half.outputs, *(tensor.name for tensor in states(half, half.nodes[0]))]
    first = reference.run(half, {"x0": x[:, :4]}, keep=kept)
    second = reference.run(half, {"x0": x[:, 4:]}, state={state: first[state] for state in kept[1:]})
    parts = np.concatenate([first[name], second[name]], axis=1)
    # The products are those of other matrices, whose sums are rounded in another order.
    assert np.allclose(parts, reference.run(whole, {"x0": x})[name], rtol=0, atol=1e-5)


def test_calibration_sees_all_values_of_the_cell_in_samples_that_follow_one_another() -> None:
    graph, data = network(), waves(5)
    step = parse_graph("\n".join([*lines(1), "output memory"]))
    cells, state = [], None
    for x in np.concatenate(list(data)):
        state = reference.run(step, {"x": x[None, None]}, keep=["hidden", "cell"], state=state)
        cells.append(state["cell"])
    found = calibrate(graph, ["x", "memory", "cell"], data)
    assert list(found) == ["x", "memory", "cell"]
    assert found["cell"].count == len(cells) * UNITS
    assert np.allclose([found["cell"].low, found["cell"].high], [np.min(cells), np.max(cells)], rtol=1e-5)


def test_a_file_keeps_variables_and_intermediates() -> None:
    inputs = [{"x": sample[None]} for sample in waves(2)]
    for graph in (network(), integer_graph(network(), inputs, INT8)):
        read = read_tflite(write_tflite(graph))
        assert {name: tensor.is_variable for name, tensor in read.tensors.items()} == {
            name: tensor.is_variable for name, tensor in graph.tensors.items()
        }
        assert [replace(node, layer="") for node in read.nodes] == [replace(node, layer="") for node in graph.nodes]
        assert reference.reset_state(read).keys() == {"hidden", "cell"}


def test_text_tells_of_variables_and_intermediates() -> None:
    floats = samples(float_graph(SPEC, SPEC.examples[0]), SPEC.examples[0])
    graph = integer_graph(float_graph(SPEC, SPEC.examples[0]), floats, INT8)
    read = parse_graph(format_graph(graph))
    assert format_graph(read) == format_graph(graph)
    assert read.nodes == graph.nodes
    assert len(read.nodes[0].intermediates) == 5
    assert [tensor.name for tensor in states(read, read.nodes[0])] == ["s18", "s19"]


def test_an_lstm_in_a_float_file_is_quantized_and_proven(tmp_path: Path) -> None:
    path, data = tmp_path / "float.tflite", waves(40)
    path.write_bytes(write_tflite(network()))
    quantized = octavo.quantize(str(path), scheme="int8", data=data)
    (lstm,) = (node for node in quantized.graph.nodes if node.op == SPEC.name)
    hidden, cell = states(quantized.graph, lstm)
    assert (hidden.dtype, cell.dtype) == (DType.INT8, DType.INT16)
    assert hidden.quantization == quantized.graph.tensors[lstm.outputs[0]].quantization
    micro, *litert = quantized.verification.runtimes
    assert micro.exact
    assert all(check.inputs and check.ok for check in litert)
    exact = np.concatenate([reference.run(network(), {"x": x[None]})["scores"] for x in data])
    noise = quantized.predict(data) - exact
    assert 10 * np.log10(np.square(exact).sum() / np.square(noise).sum()) > 20


def test_biases_behind_an_lstm_are_corrected_and_every_sample_starts_from_the_reset() -> None:
    graph, data = network(), waves(6)
    plan = make_plan(graph, QuantizeConfig("int8"))
    given = Samples(data, tuple(graph.tensors[name] for name in graph.inputs), limit=2)
    corrected = condition(graph, plan, given, [BiasCorrection()])
    assert corrected.notes[0].text == f"{SPEC.name} has no constant bias of a single weight to correct"
    rounded = with_rounded_weights(corrected, plan)
    (last,) = graph.outputs
    means = [np.mean([reference.run(each, sample)[last] for sample in given], axis=0) for each in (graph, rounded)]
    plain = with_rounded_weights(Conditioned(graph), plan)
    uncorrected = np.mean([reference.run(plain, sample)[last] for sample in given], axis=0)
    # Other kernels take other exponentials; what rounding moves is far more.
    assert np.abs(means[0] - means[1]).mean() < 0.05 * np.abs(means[0] - uncorrected).mean()


def test_a_file_of_twenty_inputs_has_the_others_absent() -> None:
    graph = network()
    short = replace(graph.nodes[0], inputs=graph.nodes[0].inputs[:20])
    loaded = load_tflite(write_tflite(replace(graph, nodes=(short, *graph.nodes[1:]))))
    assert loaded.graph.nodes[0].inputs == graph.nodes[0].inputs


def test_a_variant_that_octavo_does_not_know_is_refused() -> None:
    graph = network()
    lstm = graph.nodes[0]
    peephole = replace(lstm, inputs=(*lstm.inputs[:9], "b0", "b1", "b2", *lstm.inputs[12:]))
    with pytest.raises(UnsupportedLayerError, match=r"no operator that LiteRT runs"):
        load_tflite(write_tflite(replace(graph, nodes=(peephole, *graph.nodes[1:]))))
    small = replace(graph.tensors["cell"], shape=(1, UNITS - 1))
    with pytest.raises(UnsupportedLayerError, match=r"do not fit an LSTM"):
        load_tflite(write_tflite(replace(graph, tensors={**graph.tensors, "cell": small})))
    constant = replace(graph.tensors["cell"], is_variable=False, data=np.zeros((1, UNITS), np.float32))
    with pytest.raises(UnsupportedLayerError, match=r"a variable, or none, as input 19"):
        load_tflite(write_tflite(replace(graph, tensors={**graph.tensors, "cell": constant})))
