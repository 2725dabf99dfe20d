"""Operators that the op table has no row for stay as the file stores them, in float, and are named."""

from __future__ import annotations

import re
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

import octavo
from octavo.dtypes import DType
from octavo.errors import GraphError, UnsupportedLayerError
from octavo.ir.types import Graph
from octavo.load.tflite import load_tflite, read_tflite
from octavo.ops.build import GraphBuilder
from octavo.ops.dense import FullyConnectedOptions
from octavo.ops.elementwise_kernels import AddOptions, MulOptions
from octavo.ops.indices import GatherOptions
from octavo.ops.join import ConcatenationOptions
from octavo.ops.reduce import ReducerOptions
from octavo.ops.shape import ReshapeOptions
from octavo.ops.stored import StoredOperator
from octavo.ops.table import spec_of
from octavo.run import reference
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tables(content: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(bytearray(content), 0)


def doubled_then(op: str, shape: tuple[int, ...] = (1, 8)) -> Graph:
    """x + x, then an operator of one input, then TANH."""
    b = GraphBuilder("g")
    x = b.input("x", shape)
    b.layer = "double"
    y = b.emit("ADD", [x, x], AddOptions())
    b.layer = "middle"
    y = b.emit(op, [y])
    b.layer = "last"
    return b.finish([b.emit("TANH", [y])])


def with_middle(code: int, options: Any = None, kind: int = 0) -> bytes:
    """The graph of `doubled_then` with another operator in the middle."""
    model = tables(write_tflite(doubled_then("ABS")))
    middle = model.subgraphs[0].operators[1]
    model.operatorCodes[middle.opcodeIndex].builtinCode = code
    model.operatorCodes[middle.opcodeIndex].deprecatedBuiltinCode = min(code, 127)
    middle.builtinOptions, middle.builtinOptionsType = options, kind
    return packed(model)


def local_response() -> bytes:
    """With an operator whose options matter: LOCAL_RESPONSE_NORMALIZATION with a bias of 3."""
    options = schema.LocalResponseNormalizationOptionsT()
    options.radius, options.bias, options.alpha, options.beta = 2, 3.0, 0.5, 0.75
    model = tables(write_tflite(doubled_then("ABS", (1, 2, 2, 8))))
    middle = model.subgraphs[0].operators[1]
    entry = model.operatorCodes[middle.opcodeIndex]
    entry.builtinCode = entry.deprecatedBuiltinCode = schema.BuiltinOperator.LOCAL_RESPONSE_NORMALIZATION
    middle.builtinOptions = options
    middle.builtinOptionsType = schema.BuiltinOptions.LocalResponseNormalizationOptions
    return packed(model)


def segments() -> bytes:
    """With an operator whose result has the size that the last of its constants says: SEGMENT_SUM."""
    model = tables(with_middle(schema.BuiltinOperator.SEGMENT_SUM))
    (subgraph,) = model.subgraphs
    ids, buffer = schema.TensorT(), schema.BufferT()
    buffer.data = np.zeros(1, np.int32).view(np.uint8)
    ids.name, ids.shape, ids.type, ids.buffer = b"ids", np.array([1], np.int32), 2, len(model.buffers)
    model.buffers.append(buffer)
    subgraph.tensors.append(ids)
    middle = subgraph.operators[1]
    middle.inputs = np.array([*middle.inputs, len(subgraph.tensors) - 1], np.int32)
    return packed(model)


def loop(bound: float) -> bytes:
    """`while sum(x) < bound: x = x + 1`, which a file stores as WHILE with two subgraphs, behind x + x."""
    condition = GraphBuilder("condition")
    x = condition.input("x", (1, 8))
    axes = condition.constant(np.array([0, 1], np.int32), "axes")
    total = condition.emit("SUM", [x, axes], ReducerOptions())
    less = condition.emit("LESS", [total, condition.constant(np.array(bound, np.float32), "bound")])
    body = GraphBuilder("body")
    x = body.input("x", (1, 8))
    more = body.emit("ADD", [x, body.constant(np.ones(1, np.float32), "one")], AddOptions())
    model = tables(with_middle(schema.BuiltinOperator.WHILE))
    for part in (condition.finish([less]), body.finish([more])):
        _append(model, tables(write_tflite(part)))
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    middle = model.subgraphs[0].operators[1]
    middle.builtinOptions, middle.builtinOptionsType = options, schema.BuiltinOptions.WhileOptions
    return packed(model)


def _append(model: Any, part: Any) -> None:
    """Add the subgraph of one file to another."""
    (subgraph,) = part.subgraphs
    for tensor in subgraph.tensors:
        tensor.buffer += len(model.buffers)
    for operator in subgraph.operators:
        operator.opcodeIndex += len(model.operatorCodes)
    model.buffers += part.buffers
    model.operatorCodes += part.operatorCodes
    model.subgraphs.append(subgraph)


def computed(content: bytes, x: np.ndarray) -> np.ndarray:
    (result,) = LiteRT(content).run({"x": x}).values()
    return result


DETECTION = "CUSTOM(TFLite_Detection_PostProcess)"


def detector() -> bytes:
    """Dense layers, and behind them what most published detectors end in: boxes of most likely classes."""
    b, rng, count = GraphBuilder("g"), np.random.default_rng(0), 20
    x = b.input("x", (1, 8))
    heads = []
    for name, width in (("where", 4), ("what", 4)):
        b.layer = name
        weights = b.constant(rng.normal(size=(count * width, 8)).astype(np.float32), "weights")
        flat = b.emit("FULLY_CONNECTED", [x, weights, None], FullyConnectedOptions())
        shape = b.constant(np.array([-1, count, width], np.int32), "shape")
        heads.append(b.emit("RESHAPE", [flat, shape], ReshapeOptions()))
    boxes, likely = heads[0], b.emit("LOGISTIC", [heads[1]])
    b.layer = "middle"
    anchors = b.constant(rng.uniform(0.2, 0.8, (1, count, 4)).astype(np.float32), "anchors")
    # The others' options and results are written below: what stands here has as many of both.
    found = b.emit_many("CONCATENATION", [boxes, likely, anchors], ConcatenationOptions(1), outputs=1)
    model = tables(write_tflite(b.finish(found)))
    (subgraph,) = model.subgraphs
    last = subgraph.operators[-1]
    code = model.operatorCodes[last.opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = "TFLite_Detection_PostProcess"
    subgraph.tensors[last.inputs[2]].shape = np.array([count, 4], np.int32)
    last.builtinOptions, last.builtinOptionsType = None, 0
    last.customOptions = np.frombuffer(_detection_options(), np.uint8)
    subgraph.tensors.pop()
    for name, size in (("boxes", (1, 5, 4)), ("classes", (1, 5)), ("scores", (1, 5)), ("count", (1,))):
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, np.array(size, np.int32)
        subgraph.tensors.append(tensor)
    last.outputs = subgraph.outputs = np.arange(len(subgraph.tensors) - 4, len(subgraph.tensors), dtype=np.int32)
    model.signatureDefs = None
    return packed(model)


def _detection_options() -> bytes:
    whole = {"max_detections": 5, "max_classes_per_detection": 1, "detections_per_class": 9, "num_classes": 3}
    real = {"nms_score_threshold": 0.1, "nms_iou_threshold": 0.6}
    scales = {f"{each}_scale": 5.0 for each in "yxhw"}
    options = flexbuffers.Builder()
    with options.Map():
        for name, number in whole.items():
            options.Int(name, number)
        for name, value in (real | scales).items():
            options.Float(name, value)
        options.Bool("use_regular_nms", False)
    return bytes(options.Finish())


FILES = {
    "L2_NORMALIZATION": with_middle(schema.BuiltinOperator.L2_NORMALIZATION),
    "LOCAL_RESPONSE_NORMALIZATION": local_response(),
    "SEGMENT_SUM": segments(),
    "WHILE": loop(20.0),
}


@pytest.mark.parametrize("op", FILES)
def test_an_operator_without_a_row_is_a_named_float_island_of_a_proven_file(op: str) -> None:
    shape = LiteRT(FILES[op]).inputs[0].shape[1:]
    x = np.random.default_rng(0).normal(size=(8, *shape)).astype(np.float32)
    made = octavo.quantize(FILES[op], "int8", x)
    assert made.verification is not None
    assert made.verification.ok
    assert [(island.op, island.layer) for island in made.islands] == [(op, "middle")]
    assert [node.op for node in made.graph.nodes] == ["ADD", "DEQUANTIZE", op, "QUANTIZE", "TANH"]
    assert any(op in note.text and note.subject == "middle" for note in made.notes)
    assert made.fidelity is not None
    assert all(output.sqnr_db is not None and output.sqnr_db > 30 for output in made.fidelity.rounding)


@pytest.mark.parametrize("op", FILES)
def test_its_options_and_subgraphs_are_kept_and_all_runtimes_compute_the_same(op: str) -> None:
    graph = load_tflite(FILES[op]).graph
    again = read_tflite(write_tflite(graph))
    x = np.random.default_rng(1).normal(size=graph.tensors["x"].shape).astype(np.float32)
    expected = computed(FILES[op], x)
    assert np.array_equal(computed(write_tflite(graph), x), expected)
    stored = next(node for node in again.nodes if isinstance(node.options, StoredOperator))
    before = next(node for node in read_tflite(FILES[op]).nodes if isinstance(node.options, StoredOperator))
    values, others = (dict(node.options.values) for node in (stored, before))  # type: ignore[attr-defined]
    assert values == others
    # The last TANH is good to 8 units in the last place, here as there.
    np.testing.assert_allclose(reference.run(again, {"x": x})["last"], expected, rtol=0, atol=8 * 2.0**-23)


def test_only_litert_s_default_kernels_say_what_is_right_of_it() -> None:
    x = np.random.default_rng(0).normal(size=(8, 2, 2, 8)).astype(np.float32)
    verification = octavo.quantize(FILES["LOCAL_RESPONSE_NORMALIZATION"], "int8", x).verification
    assert verification is not None
    judged = {check.runtime: "middle" not in check.unseen for check in verification.runtimes}
    assert judged == {"TensorFlow Lite Micro": True, "LiteRT reference": False, "LiteRT default": True}
    assert "no kernel" in verification.runtimes[0].reason


def test_a_detector_keeps_its_last_operator_on_every_runtime_and_is_judged_by_what_that_ranks() -> None:
    x = np.random.default_rng(0).normal(size=(120, 8)).astype(np.float32)
    made = octavo.quantize(detector(), "int8", x)
    assert [(island.op, island.layer) for island in made.islands] == [(DETECTION, "boxes")]
    assert [made.graph.tensors[name].shape for name in made.graph.outputs] == [(1, 5, 4), (1, 5), (1, 5), (1,)]
    assert made.verification is not None
    assert made.verification.ok
    assert all(check.inputs and not check.reason for check in made.verification.runtimes)
    # Before it int8 is close to float; the places behind it are swapped by single steps, which is no reason for int16.
    told = {note.stage: note.text for note in made.notes}
    (reached,) = re.findall(r"SQNR ([\d.]+) dB, of", told["effort"])
    assert float(reached) > 25
    assert DType.INT16 not in {tensor.dtype for tensor in made.graph.tensors.values()}
    assert "data" not in told
    assert "change places" in told["verify"]


def test_options_that_the_table_does_not_know_stay_as_they_are_stored() -> None:
    model = tables(write_tflite(doubled_then("ABS")))
    model.subgraphs[0].operators[0].builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.TANH
    content = packed(model)
    node = load_tflite(content).graph.nodes[0]
    assert node.op == "ADD(as stored)"
    with pytest.raises(UnsupportedLayerError, match="has no fixed shape"):
        load_tflite(with_middle(schema.BuiltinOperator.WHERE))


def test_what_depends_on_constants_alone_is_computed_once_by_litert() -> None:
    b = GraphBuilder("g")
    b.layer = "filled"
    x = b.input("x", (1, 8))
    shape = b.constant(np.array([1, 8], np.int32), "shape")
    value = b.constant(np.array(3.0, np.float32), "value")
    made = b.emit("BROADCAST_TO", [value, shape])
    model = tables(write_tflite(b.finish([b.emit("MUL", [x, made], MulOptions())])))
    fill = model.subgraphs[0].operators[0]
    entry = model.operatorCodes[fill.opcodeIndex]
    entry.builtinCode = entry.deprecatedBuiltinCode = schema.BuiltinOperator.FILL
    fill.inputs = fill.inputs[::-1]
    model.subgraphs[0].tensors[fill.inputs[1]].shape = np.empty(0, np.int32)
    graph = load_tflite(packed(model)).graph
    (node,) = graph.nodes
    assert node.op == "MUL"
    assert np.array_equal(graph.tensors[str(node.inputs[1])].values, np.full((1, 8), 3, np.float32))


def with_parts(code: int, options: Any, given: np.ndarray, *parts: Graph) -> bytes:
    """The graph of `doubled_then` with control flow in the middle, which also reads a constant; a loop carries it."""
    model = tables(with_middle(code))
    for part in parts:
        _append(model, tables(write_tflite(part)))
    main = model.subgraphs[0]
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(given.tobytes(), np.uint8)
    model.buffers.append(buffer)
    for place, index in (("given", len(model.buffers) - 1), ("made", 0)):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = place, np.array(given.shape, np.int32), index
        tensor.type = getattr(schema.TensorType, given.dtype.name.upper())
        main.tensors.append(tensor)
    constant, made = len(main.tensors) - 2, len(main.tensors) - 1
    middle = main.operators[1]
    middle.inputs = np.array([constant, *middle.inputs], np.int32)
    if code == schema.BuiltinOperator.WHILE:
        middle.outputs = np.array([made, *middle.outputs], np.int32)
    middle.builtinOptions = options
    middle.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
    return packed(model)


def counted(steps: int) -> bytes:
    """`for i in range(steps): x = tanh(x + 0.5)`, as converters write recurrent layers."""
    condition, body = GraphBuilder("condition"), GraphBuilder("body")
    i, _ = condition.input("i", (1,), DType.INT32), condition.input("x", (1, 8))
    less = condition.emit("LESS", [i, condition.constant(np.array([steps], np.int32), "steps")])
    i, x = body.input("i", (1,), DType.INT32), body.input("x", (1, 8))
    after = body.emit("ADD", [i, body.constant(np.array([1], np.int32), "one")], AddOptions())
    more = body.emit("ADD", [x, body.constant(np.full(1, 0.5, np.float32), "half")], AddOptions())
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    parts = condition.finish([less]), body.finish([after, body.emit("TANH", [more])])
    return with_parts(schema.BuiltinOperator.WHILE, options, np.array([0], np.int32), *parts)


def chosen(truth: bool) -> bytes:
    """`abs(x) if truth else tanh(x)`."""
    parts = []
    for op in ("ABS", "TANH"):
        part = GraphBuilder(op.lower())
        parts.append(part.finish([part.emit(op, [part.input("x", (1, 8))])]))
    options = schema.IfOptionsT()
    options.thenSubgraphIndex, options.elseSubgraphIndex = 1, 2
    return with_parts(schema.BuiltinOperator.IF, options, np.array([truth]), *parts)


@pytest.mark.parametrize(
    ("content", "operators"),
    [
        (counted(3), ["ADD", *["ADD", "TANH"] * 3, "TANH"]),
        (counted(0), ["ADD", "TANH"]),
        (chosen(True), ["ADD", "ABS", "TANH"]),
        (chosen(False), ["ADD", "TANH", "TANH"]),
    ],
    ids=["three steps", "no step", "then", "else"],
)
def test_control_flow_that_constants_decide_becomes_the_operators_it_runs(content: bytes, operators: list[str]) -> None:
    graph = load_tflite(content).graph
    assert [node.op for node in graph.nodes] == operators
    assert {node.layer for node in graph.nodes[1:-1]} <= {"middle", "made"}
    x = np.random.default_rng(2).normal(size=(12, 8)).astype(np.float32)
    assert np.array_equal(computed(write_tflite(graph), x[:1]), computed(content, x[:1]))
    made = octavo.quantize(content, "int8", x)
    assert made.islands == ()
    assert made.verification is not None
    assert made.verification.ok


def test_a_loop_reads_its_constants_from_one_place_in_all_its_steps() -> None:
    graph = load_tflite(counted(5)).graph
    assert sum(tensor.is_constant for tensor in graph.tensors.values()) == 1


@pytest.mark.parametrize(("shape", "op"), [((1, 8), "SELECT_V2"), ((1,), "SELECT")])
def test_a_select_of_elements_is_the_operator_that_has_integer_kernels(shape: tuple[int, ...], op: str) -> None:
    b = GraphBuilder("g")
    condition, x = b.input("condition", shape, DType.BOOL), b.input("x", (1, 8))
    model = tables(write_tflite(b.finish([b.emit("SELECT_V2", [condition, x, b.emit("TANH", [x])], suffix="y")])))
    (code,) = (each for each in model.operatorCodes if each.builtinCode == schema.BuiltinOperator.SELECT_V2)
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SELECT
    select = model.subgraphs[0].operators[-1]
    select.builtinOptions, select.builtinOptionsType = None, 0
    assert [node.op for node in load_tflite(packed(model)).graph.nodes] == ["TANH", op]


def test_a_lookup_of_rows_is_the_operator_that_has_integer_kernels() -> None:
    b = GraphBuilder("g")
    ids = b.input("ids", (3,), DType.INT32)
    table = b.constant(np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32), "table")
    model = tables(write_tflite(b.finish([b.emit("TANH", [b.emit("GATHER", [table, ids], GatherOptions())])])))
    lookup = model.subgraphs[0].operators[0]
    code = model.operatorCodes[lookup.opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.EMBEDDING_LOOKUP
    lookup.inputs, lookup.builtinOptions, lookup.builtinOptionsType = lookup.inputs[::-1], None, 0
    made = octavo.quantize(packed(model), "int8", np.random.default_rng(0).integers(0, 9, (8, 3), np.int32))
    assert [node.op for node in made.graph.nodes] == ["GATHER", "TANH"]
    assert not made.islands
    assert made.verification is not None
    assert made.verification.ok


def test_a_product_of_two_activations_is_no_dense_layer() -> None:
    b = GraphBuilder("g")
    x, y = b.input("x", (1, 6)), b.input("y", (5, 6))
    content = write_tflite(b.finish([b.emit("FULLY_CONNECTED", [x, y, None], FullyConnectedOptions())]))
    rng = np.random.default_rng(0)
    made = octavo.quantize(content, "int8", [rng.random((9, 6)).astype("f4"), rng.random((9, 5, 6)).astype("f4") + 1])
    assert [node.op for node in made.graph.nodes] == ["BATCH_MATMUL"]
    assert made.verification is not None
    assert made.verification.ok


def test_the_reference_kernels_leave_them_to_litert() -> None:
    (graph,) = (load_tflite(local_response()).graph,)
    node = next(node for node in graph.nodes if isinstance(node.options, StoredOperator))
    with pytest.raises(GraphError, match=r"fix: +run the graph with octavo\.run\.reference"):
        spec_of(node.op).run_float(node.options, [np.zeros((1, 2, 2, 8), np.float32)])
