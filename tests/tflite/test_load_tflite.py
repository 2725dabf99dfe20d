"""Reading .tflite files: what Octavo wrote comes back, what others wrote is understood or refused, nothing crashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.dtypes import DType, pack, unpack
from octavo.errors import ModelFileError, OctavoError, OpenShapeError, UnsupportedLayerError
from octavo.ir.types import Graph, Tensor
from octavo.load.tflite import load_tflite, read_tflite
from octavo.ops.build import GraphBuilder
from octavo.ops.pool import Pool2DOptions
from octavo.ops.shape import ReshapeOptions
from octavo.ops.stored import StoredOperator
from octavo.ops.text import parse_graph
from octavo.ops.window import Padding
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite
from single_op import CASES, float_graph
from small_network import float_network, images, network

Edit = Callable[[Any, Any], None]


def edited(content: bytes, edit: Edit) -> bytes:
    """A file after `edit(model, subgraph)` on its tables."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    edit(model, model.subgraphs[0])
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def facts(tensor: Tensor) -> tuple[object, ...]:
    """All of a tensor but the layer, which a file does not hold."""
    data = None if tensor.data is None else tensor.data.tobytes()
    return tensor.name, tensor.shape, tensor.dtype, data, tensor.quantization


def assert_equal_but_for_layers(read: Graph, written: Graph) -> None:
    assert (read.name, read.inputs, read.outputs) == (written.name, written.inputs, written.outputs)
    assert [facts(t) for t in read.tensors.values()] == [facts(t) for t in written.tensors.values()]
    assert [replace(node, layer="") for node in read.nodes] == [replace(node, layer="") for node in written.nodes]


# What Octavo wrote ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_every_operator_of_the_table_is_read_as_it_was_written(case: str) -> None:
    graph = float_graph(*CASES[case])
    assert_equal_but_for_layers(read_tflite(write_tflite(graph)), graph)


@pytest.mark.parametrize("scheme", ["float32", "float16", "dynamic", "int8", "int16x8"])
def test_a_network_of_any_scheme_is_read_as_it_was_written(scheme: str) -> None:
    assert_equal_but_for_layers(read_tflite(write_tflite(network(scheme))), network(scheme))


def test_a_float_network_is_loaded_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "small.tflite"
    path.write_bytes(write_tflite(float_network()))
    loaded = load_tflite(path)
    assert_equal_but_for_layers(loaded.graph, float_network())
    assert loaded.notes == ()


def test_a_layer_is_called_like_the_first_result_of_its_operator() -> None:
    graph = load_tflite(write_tflite(float_network())).graph
    assert [node.layer for node in graph.nodes] == ["features", "flat/reshape", "scores"]
    assert graph.tensors["features/kernel"].layer == "features"
    assert graph.tensors["image"].layer == "image"


@given(st.lists(st.integers(-8, 7), max_size=33))
@settings(deadline=None)
def test_int4_values_are_unpacked_as_they_were_packed(values: list[int]) -> None:
    array = np.array(values, np.int8)
    assert np.array_equal(unpack(pack(array, DType.INT4), DType.INT4, len(values)), array)


# What others wrote ----------------------------------------------------------------------------------------------------


def test_half_precision_weights_become_float32_and_a_note_says_so() -> None:
    half = write_tflite(network("float16"))
    loaded = load_tflite(half)
    assert [node.op for node in loaded.graph.nodes] == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    assert "half-precision weights became float32" in loaded.notes[0].text
    inputs = {"image": images()[:1]}
    assert_same_results(LiteRT(write_tflite(loaded.graph)).run(inputs), LiteRT(half).run(inputs))


def assert_same_results(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    assert some.keys() == others.keys()
    for name, values in some.items():
        assert np.array_equal(values, others[name])


@pytest.mark.parametrize("stated", [(1, 18, 6), (1, -1, 6), (-1, 18, 6)])
def test_a_reshape_leaves_the_batch_open_whatever_its_constant_said(stated: tuple[int, ...]) -> None:
    b = GraphBuilder("g")
    shape = b.constant(np.array(stated, np.int32), "shape")
    b.layer = "flat"
    written = b.finish([b.emit("RESHAPE", [b.input("x", (1, 6, 6, 3)), shape], ReshapeOptions())])
    graph = load_tflite(write_tflite(written)).graph
    (node,) = graph.nodes
    assert graph.tensors[str(node.inputs[1])].data.tolist() == [-1, 18, 6]  # type: ignore[union-attr]
    assert LiteRT(write_tflite(graph)).run({"x": np.zeros((4, 6, 6, 3), np.float32)})["flat"].shape == (4, 18, 6)


def test_a_reshape_that_states_its_shape_in_its_options_gets_a_constant() -> None:
    def edit(model: Any, subgraph: Any) -> None:
        reshape = subgraph.operators[1]
        reshape.inputs = reshape.inputs[:1]
        reshape.builtinOptions.newShape = np.array([1, 288], np.int32)

    graph = load_tflite(edited(write_tflite(float_network()), edit)).graph
    assert graph.nodes[1].options == ReshapeOptions()
    assert graph.tensors[str(graph.nodes[1].inputs[1])].data.tolist() == [-1, 288]  # type: ignore[union-attr]


@pytest.mark.tensorflow
def test_shapes_computed_for_an_open_batch_become_constants() -> None:
    tf = pytest.importorskip("tensorflow")
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec((None, 6, 5, 2))])
    def function(x: Any) -> Any:
        y = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "VALID"))
        y = tf.reshape(y, (tf.shape(y)[0], 6, 8))
        return tf.tensordot(y, kernel.reshape(8, 9), 1)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    content = converter.convert()
    assert {"SHAPE", "PACK"} <= {node.op for node in read_tflite(content).nodes}
    graph = load_tflite(content).graph
    assert [node.op for node in graph.nodes] == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED", "RESHAPE"]
    targets = [graph.tensors[str(node.inputs[1])].data for node in graph.nodes if node.op == "RESHAPE"]
    assert [target.tolist() for target in targets if target is not None] == [[-1, 8], [-1, 6, 9]]
    inputs = {"x": np.random.default_rng(1).normal(size=(1, 6, 5, 2)).astype(np.float32)}
    assert_same_results(LiteRT(write_tflite(graph)).run(inputs), LiteRT(content).run(inputs))


def test_names_that_a_converter_joined_are_cut_and_kept_apart() -> None:
    def edit(model: Any, subgraph: Any) -> None:
        for tensor in subgraph.tensors:
            tensor.name = "net/relu;net/bias;net/conv"

    graph = read_tflite(edited(write_tflite(float_network()), edit))
    inner = ["net/relu", *(f"net/relu_{i}" for i in range(1, len(graph.tensors) - 2))]
    assert list(graph.tensors) == ["image", *inner, "scores"]
    assert {node.layer for node in graph.nodes} == {"net/relu"}


def test_a_file_without_signature_and_names_gets_names() -> None:
    def edit(model: Any, subgraph: Any) -> None:
        model.signatureDefs = None
        for tensor in subgraph.tensors:
            tensor.name = ""

    graph = load_tflite(edited(write_tflite(float_network()), edit)).graph
    assert len(graph.tensors) == len(float_network().tensors)
    inputs = dict.fromkeys(graph.inputs, images()[:1])
    expected = LiteRT(write_tflite(float_network())).run({"image": images()[:1]})["scores"]
    assert np.array_equal(LiteRT(write_tflite(graph)).run(inputs)[graph.outputs[0]], expected)


def test_inputs_and_outputs_are_named_as_in_the_signature() -> None:
    def edit(model: Any, subgraph: Any) -> None:
        model.signatureDefs[0].inputs[0].name = "picture"
        model.signatureDefs[0].outputs[0].name = "probabilities"

    graph = load_tflite(edited(write_tflite(float_network()), edit)).graph
    assert (graph.inputs, graph.outputs) == (("picture",), ("probabilities",))
    assert graph.nodes[-1].layer == "scores"


# Operators the table does not have ------------------------------------------------------------------------------------


def with_operator(code: int, custom: str | None = None) -> bytes:
    """The small network with its dense layer's operator replaced."""

    def edit(model: Any, subgraph: Any) -> None:
        entry = model.operatorCodes[subgraph.operators[2].opcodeIndex]
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.customCode = code, min(code, 127), custom

    return edited(write_tflite(float_network()), edit)


@pytest.mark.parametrize(
    ("content", "op"),
    [
        (with_operator(schema.BuiltinOperator.STABLEHLO_GATHER), "STABLEHLO_GATHER"),
        (with_operator(schema.BuiltinOperator.CUSTOM, "Detection"), "CUSTOM(Detection)"),
        (with_operator(9999), "BUILTIN_9999"),
    ],
)
def test_an_unknown_operator_is_shown_and_refused_by_its_name(content: bytes, op: str) -> None:
    node = read_tflite(content).nodes[2]
    assert (node.op, node.layer, node.inputs) == (op, "scores", ("flat/reshape", "scores/weights", "scores/offset"))
    assert isinstance(node.options, StoredOperator)
    with pytest.raises(UnsupportedLayerError, match=r"(?s)in layer 'scores'.*fix: +replace these layers") as caught:
        load_tflite(content)
    assert op in caught.value.what


def test_options_that_neither_the_table_nor_litert_knows_are_shown_and_refused() -> None:
    change = {"weightsFormat": schema.FullyConnectedOptionsWeightsFormat.SHUFFLED4x16INT8}

    def edit(model: Any, subgraph: Any) -> None:
        vars(subgraph.operators[2].builtinOptions).update(change)

    content = edited(write_tflite(float_network()), edit)
    options = read_tflite(content).nodes[2].options
    assert isinstance(options, StoredOperator)
    assert set(options.values) >= set(change.items())
    with pytest.raises(
        UnsupportedLayerError, match=r"FULLY_CONNECTED\(as stored\) in layer 'scores' \(.*weightsFormat=1"
    ):
        load_tflite(content)


def test_options_left_out_of_the_file_are_the_defaults() -> None:
    def edit(model: Any, subgraph: Any) -> None:
        subgraph.operators[2].builtinOptions, subgraph.operators[2].builtinOptionsType = None, 0

    assert read_tflite(edited(write_tflite(float_network()), edit)).nodes[2].options == float_network().nodes[2].options


def test_a_shape_known_only_at_run_time_is_refused() -> None:
    def edit(model: Any, subgraph: Any) -> None:
        reshape = subgraph.operators[1]
        subgraph.tensors[reshape.inputs[1]].buffer = 0
        subgraph.inputs = np.append(subgraph.inputs, reshape.inputs[1])
        subgraph.tensors[reshape.inputs[1]].shape = np.array([1], np.int32)

    with pytest.raises(
        UnsupportedLayerError, match=r"(?s)RESHAPE in layer 'flat/reshape'.*fix: +convert the model again"
    ):
        load_tflite(edited(write_tflite(float_network()), edit))


# Models that cannot be loaded -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["dynamic", "int8", "int16x8"])
def test_a_quantized_model_is_refused(scheme: str) -> None:
    with pytest.raises(ModelFileError, match=r"(?s)is quantized already.*fix: +give the float model"):
        load_tflite(write_tflite(network(scheme)))


def test_an_input_of_open_size_is_refused() -> None:
    def edit(model: Any, subgraph: Any) -> None:
        subgraph.tensors[subgraph.inputs[0]].shapeSignature = np.array([-1, -1, -1, 3], np.int32)

    with pytest.raises(OpenShapeError, match=r"(?s)input 'image'.*fix: +say input_shape="):
        load_tflite(edited(write_tflite(float_network()), edit))


def test_inputs_too_small_for_an_output_are_refused() -> None:
    b = GraphBuilder("g")
    pool = Pool2DOptions(Padding.VALID, 2, 2, 2, 2)
    content = write_tflite(b.finish([b.emit("MAX_POOL_2D", [b.input("image", (1, 3, 3, 3))], pool)]))

    def edit(model: Any, subgraph: Any) -> None:
        subgraph.tensors[subgraph.inputs[0]].shapeSignature = np.array([-1, -1, -1, 3], np.int32)

    with pytest.raises(ModelFileError, match=r"(?s)holds nothing.*fix: +say a larger input_shape"):
        load_tflite(edited(content, edit), input_shape=(1, 2, 3))


def test_an_element_type_without_a_place_is_refused() -> None:
    def edit(model: Any, subgraph: Any) -> None:
        subgraph.tensors[1].type = schema.TensorType.STRING

    with pytest.raises(ModelFileError, match=r"(?s)features/kernel.*fix: +convert the model again without this type"):
        read_tflite(edited(write_tflite(float_network()), edit))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"fix: +check the path and its permissions"):
        load_tflite(tmp_path)


# Bytes that are no model ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\x00" * 64, b"PK\x03\x04" * 32, b"\x1c\x00\x00\x00TFL3" + b"\xff" * 99]
)
def test_bytes_that_are_no_model_are_refused(content: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"fix: +check that the file was written and copied completely"):
        read_tflite(content)


def read_or_refused(content: bytes) -> None:
    """Read and load; nothing but an error raised on purpose, all of its parts filled, may come of it."""
    parts: list[tuple[str, ...]] = []
    for read in (read_tflite, load_tflite):
        try:
            read(content)
        except OctavoError as error:
            parts.append((error.what, error.got, error.expected, error.fix))
    assert all(all(part) for part in parts)


@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_a_truncated_file_is_refused(scheme: str) -> None:
    content = write_tflite(network(scheme))
    for size in range(0, len(content) - 1, 101):
        with pytest.raises(ModelFileError):
            read_tflite(content[:size])


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_a_damaged_file_is_read_or_refused_but_never_crashes(data: st.DataObject) -> None:
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(bytes(content))


def tiny() -> Graph:
    """Few constants, so that damage hits the structure."""
    b = GraphBuilder("tiny")
    x = b.input("x", (1, 2))
    b.layer = "a"
    y = b.emit("ADD", [x, b.constant(np.array([1.5, 2.5], np.float32), "c")], _add_options())
    b.layer = "b"
    return b.finish([b.emit("RESHAPE", [y, b.constant(np.array([-1, 2, 1], np.int32), "shape")], ReshapeOptions())])


def _add_options() -> Any:
    from octavo.ops.table import OPS

    return OPS["ADD"].options()


SMALL = write_tflite(tiny())


def test_shapes_that_are_computed_from_shapes_become_constants() -> None:
    graph = parse_graph(
        """
        graph computed
        input x: float32[1,4,3,2]
        const last: int32[2] = 1 2
        const all: int32[1] = 0
        const place: int32[1] = 3
        const one: int32[1] = -1
        lengths: int32[4] = SHAPE(x)
        sides: int32[2] = GATHER(lengths, last)
        area: int32[1] = REDUCE_PROD(sides, all) {keep_dims=True}
        depth: int32[1] = GATHER(lengths, place)
        shape: int32[3] = CONCATENATION(one, area, depth) {axis=0}
        y: float32[1,12,2] = RESHAPE(x, shape)
        z: float32[1,12,2] = ABS(y)
        output z
        """
    )
    loaded = load_tflite(write_tflite(graph)).graph
    assert [node.op for node in loaded.nodes] == ["RESHAPE", "ABS"]
    assert loaded.tensors["shape"].data is not None
    assert loaded.tensors["shape"].data.tolist() == [-1, 12, 2]
