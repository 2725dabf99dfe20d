"""What a written file holds beyond the graph itself: alignment, sharing, versions, signature, metadata."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from octavo.dtypes import DType, pack
from octavo.ir.graph import operands, results
from octavo.ops.table import spec_of
from octavo.ops.text import parse_graph
from octavo.write.stored import FILE_IDENTIFIER
from octavo.write.tflite import MINIMUM_RUNTIME, write_tflite
from plan_graphs import GRAPHS, executed, graph_of, planned

SCHEMES = ("float32", "float16", "dynamic", "int8", "int16x8", "int8x4")
# Offsets of Buffer.data and QuantizationParameters.scale in their tables: 4, and 2 for each field before.
DATA_FIELD, SCALE_FIELD = 4, 8

EQUAL_CONSTANTS = """
    input x: float32[1,4]
    const a: float32[4] = 1 2 3 4
    const b: float32[4] = 1 2 3 4
    const c: float32[4] = 4 3 2 1
    y = ADD(x, a) @first
    z = ADD(y, b) @second
    w = ADD(z, c) @third
    output w
"""


def model_of(content: bytes) -> Any:
    return schema.Model.GetRootAs(content, 0)


def buffer_places(content: bytes) -> list[int]:
    """Where in the file the data of each buffer that has any begins."""
    model = model_of(content)
    tables = [model.Buffers(i)._tab for i in range(model.BuffersLength())]
    fields = [(table, table.Offset(DATA_FIELD)) for table in tables]
    return [table.Vector(field) for table, field in fields if field]


def buffers_by_tensor(content: bytes) -> dict[str, int]:
    subgraph = model_of(content).Subgraphs(0)
    tensors = [subgraph.Tensors(i) for i in range(subgraph.TensorsLength())]
    return {tensor.Name().decode(): tensor.Buffer() for tensor in tensors}


def metadata_of(content: bytes) -> dict[str, bytes]:
    model = model_of(content)
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    return {entry.Name().decode(): model.Buffers(entry.Buffer()).DataAsNumpy().tobytes() for entry in entries}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_constants_begin_at_multiples_of_16_bytes(scheme: str) -> None:
    for name in GRAPHS:
        places = buffer_places(write_tflite(executed(*planned(name, scheme)), {"odd": "x" * 13}))
        assert places
        assert [place % 16 for place in places] == [0] * len(places)


def test_a_file_says_what_it_is() -> None:
    content = write_tflite(graph_of("two inputs"))
    assert content[4:8] == FILE_IDENTIFIER
    assert (model_of(content).Version(), model_of(content).Description()) == (3, b"Octavo")


def test_equal_constants_share_a_buffer_and_others_do_not() -> None:
    buffers = buffers_by_tensor(write_tflite(parse_graph(EQUAL_CONSTANTS)))
    assert buffers["a"] == buffers["b"] != buffers["c"]
    # The first buffer is empty by convention; tensors without data point to it.
    assert buffers["x"] == buffers["y"] == buffers["w"] == 0


def test_equal_parameters_share_their_vectors() -> None:
    subgraph = model_of(write_tflite(executed(*planned("a chain that only moves values")))).Subgraphs(0)
    tensors = [subgraph.Tensors(i) for i in range(subgraph.TensorsLength())]
    tables = {tensor.Name().decode(): tensor.Quantization()._tab for tensor in tensors if tensor.Quantization()}
    scales = {name: table.Vector(table.Offset(SCALE_FIELD)) for name, table in tables.items()}
    assert scales["y"] == scales["pool"] == scales["line"]
    assert len({scales["x"], scales["y"], scales["z"]}) == 3


@pytest.mark.parametrize("scheme", SCHEMES)
def test_operators_have_the_versions_of_the_op_table(scheme: str) -> None:
    for name in GRAPHS:
        graph = executed(*planned(name, scheme))
        model = model_of(write_tflite(graph))
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        subgraph = model.Subgraphs(0)
        written = [codes[subgraph.Operators(i).OpcodeIndex()] for i in range(subgraph.OperatorsLength())]
        expected = [spec_of(node.op).version(operands(graph, node), results(graph, node)) for node in graph.nodes]
        assert [code.Version() for code in written] == expected
        assert [code.BuiltinCode() for code in written] == [
            getattr(schema.BuiltinOperator, node.op) for node in graph.nodes
        ]


def test_an_operator_beyond_127_sends_old_readers_to_the_new_field() -> None:
    content = write_tflite(parse_graph("input x: float32[1,4]\ny = GELU(x)\noutput y"))
    code = model_of(content).OperatorCodes(0)
    assert code.BuiltinCode() == schema.BuiltinOperator.GELU > 127
    assert code.DeprecatedBuiltinCode() == 127


def test_an_absent_input_is_written_as_minus_one() -> None:
    text = """
        input x: float32[1,4]
        const w: float32[3,4] = normal(1)
        y = FULLY_CONNECTED(x, w, _)
        output y
    """
    operator = model_of(write_tflite(parse_graph(text))).Subgraphs(0).Operators(0)
    assert operator.InputsAsNumpy().tolist() == [0, 1, -1]


def test_the_signature_names_inputs_and_outputs_in_the_models_order() -> None:
    model = model_of(write_tflite(graph_of("an output that is also read, among several")))
    signature = model.SignatureDefs(0)
    assert signature.SignatureKey() == b"serving_default"
    assert [signature.Outputs(i).Name() for i in range(3)] == [b"second", b"first", b"third"]
    assert [signature.Outputs(i).TensorIndex() for i in range(3)] == model.Subgraphs(0).OutputsAsNumpy().tolist()


def test_metadata_is_json_with_sorted_keys() -> None:
    content = write_tflite(graph_of("two inputs"), {"seed": 3, "made_by": "octavo"})
    entries = metadata_of(content)
    assert entries["min_runtime_version"] == MINIMUM_RUNTIME.encode()
    assert entries["octavo"] == b'{"made_by":"octavo","seed":3}'
    assert json.loads(entries["octavo"])["seed"] == 3
    assert set(metadata_of(write_tflite(graph_of("two inputs")))) == {"min_runtime_version"}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_graph_gives_the_same_bytes(scheme: str) -> None:
    for name in GRAPHS:
        assert write_tflite(executed(*planned(name, scheme))) == write_tflite(executed(*planned(name, scheme)))


def test_four_bit_values_are_packed_low_nibble_first() -> None:
    assert pack(np.array([[1, -1], [7, -8]], np.int8), DType.INT4).tolist() == [0xF1, 0x87]
    assert pack(np.array([-2, 3, 5], np.int8), DType.INT4).tolist() == [0x3E, 0x05]


def test_four_bit_weights_take_half_the_bytes() -> None:
    graph = executed(*planned("a chain that only moves values", "int8x4"))
    content = write_tflite(graph)
    model, buffers = model_of(content), buffers_by_tensor(content)
    assert model.Buffers(buffers["k"]).DataLength() == graph.tensors["k"].size // 2
    assert model.Buffers(buffers["w"]).DataLength() == graph.tensors["w"].size // 2
