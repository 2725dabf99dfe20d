"""Tables of a .tflite file that contradict each other: told as such, and never a bug of ours or a hang."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import octavo
from command_line import runner
from octavo.errors import ConfigError, ModelFileError, OctavoError
from octavo.load.tflite import load_tflite, read_tflite
from octavo.run.litert import LiteRT
from octavo.run.signature import read_signature, signature_names
from octavo.write.tflite import write_tflite
from small_network import float_network, network

Edit = Callable[[Any, Any], None]


def edited(content: bytes, edit: Edit) -> bytes:
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    edit(model, model.subgraphs[0])
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _negative_size(model: Any, graph: Any) -> None:
    graph.tensors[graph.operators[0].outputs[0]].shape = np.array([1, -6, 6, 3], np.int32)


def _no_such_buffer(model: Any, graph: Any) -> None:
    graph.tensors[0].buffer = 10**6


def _short_buffer(model: Any, graph: Any) -> None:
    weights = graph.tensors[graph.operators[0].inputs[1]]
    model.buffers[weights.buffer].data = model.buffers[weights.buffer].data[:-4]


def _huge_tensor(model: Any, graph: Any) -> None:
    graph.tensors[graph.operators[0].outputs[0]].shape = np.array([1 << 20, 1 << 20], np.int32)


def _input_out_of_range(model: Any, graph: Any) -> None:
    graph.operators[0].inputs[0] = 10**6


def _output_out_of_range(model: Any, graph: Any) -> None:
    graph.operators[0].outputs[0] = -1


def _no_such_operator(model: Any, graph: Any) -> None:
    graph.operators[0].opcodeIndex = 1000


def _cycle(model: Any, graph: Any) -> None:
    graph.operators[0].inputs[0] = graph.operators[-1].outputs[0]


def _reversed(model: Any, graph: Any) -> None:
    graph.operators.reverse()


def _made_twice(model: Any, graph: Any) -> None:
    graph.operators[1].outputs = graph.operators[0].outputs


def _output_never_made(model: Any, graph: Any) -> None:
    graph.tensors.append(schema.TensorT())
    graph.tensors[-1].shape, graph.tensors[-1].name = np.array([1], np.int32), b"nobody"
    graph.outputs[0] = len(graph.tensors) - 1


CONTRADICTIONS = (
    _negative_size, _no_such_buffer, _short_buffer, _huge_tensor, _input_out_of_range, _output_out_of_range,
    _no_such_operator, _cycle, _reversed, _made_twice, _output_never_made,
)  # fmt: skip


@pytest.mark.parametrize("edit", CONTRADICTIONS)
@pytest.mark.parametrize("read", [read_tflite, load_tflite])
def test_tables_that_contradict_each_other_are_refused(edit: Edit, read: Any) -> None:
    with pytest.raises(ModelFileError, match=r"fix: +(copy the file again|check that the file)"):
        read(edited(write_tflite(float_network()), edit))


def test_a_stated_shape_that_does_not_follow_is_refused() -> None:
    def edit(model: Any, graph: Any) -> None:
        graph.tensors[graph.operators[0].outputs[0]].shape[-1] += 1

    with pytest.raises(ModelFileError, match=r"(?s)as the file states.*fix: +copy the file again"):
        load_tflite(edited(write_tflite(float_network()), edit))


@pytest.mark.parametrize(
    "change",
    [
        {"scale": np.array([0.1, 0.2], np.float32), "zeroPoint": np.array([0, 0])},
        {"zeroPoint": np.array([0, 0, 0])},
        {"scale": np.array([np.nan], np.float32), "zeroPoint": np.array([0])},
        {"scale": np.array([-1.0], np.float32), "zeroPoint": np.array([0])},
        {"scale": np.array([0.1, 0.2], np.float32), "zeroPoint": np.array([0, 0]), "quantizedDimension": 9},
    ],
)
def test_quantization_parameters_that_fit_no_tensor_are_refused(change: dict[str, Any]) -> None:
    def edit(model: Any, graph: Any) -> None:
        for name, value in change.items():
            setattr(graph.tensors[graph.inputs[0]].quantization, name, value)

    with pytest.raises(ModelFileError, match=r"(?s)scale.*fix: +copy the file again"):
        read_tflite(edited(write_tflite(network("int8")), edit))


def test_bounds_on_tables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_LIMIT_OBJECTS", "3")
    with pytest.raises(ModelFileError, match="OCTAVO_LIMIT_OBJECTS"):
        read_tflite(write_tflite(float_network()))


def _stripped(model: Any, graph: Any) -> None:
    """As TensorFlow Lite Micro's tool for stripping names leaves a file."""
    model.signatureDefs = None
    for tensor in graph.tensors:
        tensor.name = None


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_a_file_without_names_is_read_and_runs(scheme: str) -> None:
    content = write_tflite(network(scheme))
    stripped = edited(content, _stripped)
    runtime, named = LiteRT(stripped), LiteRT(content)
    graph = read_tflite(stripped)
    assert graph.inputs == tuple(port.name for port in runtime.inputs)
    assert graph.outputs == tuple(port.name for port in runtime.outputs)
    assert all(name == f"tensor_{index}" for name, index in read_signature(stripped).tensors.items())
    x = np.ones(named.inputs[0].shape, named.inputs[0].dtype.numpy)
    (got,) = runtime.run({runtime.inputs[0].name: x}).values()
    (wanted,) = named.run({named.inputs[0].name: x}).values()
    np.testing.assert_array_equal(got, wanted)


def _two_signatures(model: Any, graph: Any) -> None:
    first = model.signatureDefs[0]
    first.signatureKey = b"first"
    second = schema.SignatureDefT()
    second.signatureKey, second.inputs, second.outputs, second.subgraphIndex = b"second", first.inputs, first.outputs, 0
    model.signatureDefs.append(second)


def test_the_command_line_names_a_signature(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "two.tflite").write_bytes(edited(write_tflite(float_network()), _two_signatures))
    arguments = ("quantize", tmp_path / "two.tflite", "--scheme", "dynamic", "--out", tmp_path / "out.tflite")
    run = runner(capsys)
    assert "--signature" in run(*arguments).err
    assert run(*arguments, "--signature", "second").code == 0
    for chosen, other in ((), "second"), (("--signature", "second"), "first"):
        assert f"; --signature shows '{other}'" in run("inspect", tmp_path / "two.tflite", *chosen).out
    assert "say signature='first'" in run("inspect", tmp_path / "two.tflite", "--signature", "third").err


def test_a_keras_model_has_no_signatures() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.ReLU()])
    with pytest.raises(ConfigError, match=r"fix: +leave signature out"):
        octavo.quantize(model, "dynamic", signature="first")


def test_one_of_several_signatures_must_be_named() -> None:
    content = edited(write_tflite(float_network()), _two_signatures)
    assert signature_names(content) == ("first", "second")
    with pytest.raises(ModelFileError, match=r"(?s)'first', 'second'.*fix: +say which: signature='first'; or convert"):
        load_tflite(content)
    assert load_tflite(content, "second").graph.nodes
    data = np.random.default_rng(0).normal(size=(8, 6, 6, 3)).astype(np.float32)
    made = octavo.quantize(content, data=data, signature="second")
    assert octavo.quantize(content, data=octavo.calibrate(content, data, signature="second"), signature="second").model
    table = octavo.compare(content, data, (data, None), schemes=["int8"], signature="second", time_it=False)
    assert table.rows[0].quantized.model == made.model
    with pytest.raises(ModelFileError, match=r"fix: +say signature='first'"):
        load_tflite(content, "third")
    with pytest.raises(ModelFileError, match=r"points? outside themselves"):
        signature_names(b"\x00\x00\x00\x7f")


def test_unsigned_integers_of_32_bits_are_read() -> None:
    def edit(model: Any, graph: Any) -> None:
        graph.tensors.append(schema.TensorT())
        graph.tensors[-1].shape, graph.tensors[-1].type = np.array([2], np.int32), schema.TensorType.UINT32
        graph.tensors[-1].name = b"counts"

    assert read_tflite(edited(write_tflite(float_network()), edit)).tensors["counts"].dtype.value == "uint32"


def test_a_reshape_to_another_size_is_refused() -> None:
    for shape in ([], [0], [-1, -1], [3, -1]):

        def edit(model: Any, graph: Any, shape: list[int] = shape) -> None:
            operator = next(o for o in graph.operators if model.operatorCodes[o.opcodeIndex].builtinCode == 22)
            wanted = np.array(shape, np.int32)
            tensor = graph.tensors[operator.inputs[1]]
            tensor.shape = np.array([len(shape)], np.int32)
            model.buffers[tensor.buffer].data = np.frombuffer(wanted.tobytes(), np.uint8)

        with pytest.raises(OctavoError, match="fix: "):
            load_tflite(edited(write_tflite(float_network()), edit))
