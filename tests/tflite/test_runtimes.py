"""LiteRT and TensorFlow Lite Micro behind names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from octavo.dtypes import DType
from octavo.errors import DatasetError, MissingDependencyError, ModelFileError
from octavo.evaluate.predict import predict
from octavo.run import reference
from octavo.run.litert import LiteRT
from octavo.run.micro import Micro
from octavo.run.quiet import native_stderr
from octavo.run.runtime import Runtime
from octavo.run.signature import read_signature
from octavo.run.targets import TARGETS
from octavo.write.tflite import write_tflite
from small_network import COUNT, images, network

pytest.importorskip("tflite_micro")

IMAGE = {"image": images()[:1]}


@cache
def content(scheme: str) -> bytes:
    return write_tflite(network(scheme))


def integers() -> dict[str, np.ndarray]:
    return {"image": np.random.default_rng(1).integers(-128, 128, (1, 6, 6, 3)).astype(np.int8)}


def edited(model: bytes, edit: Callable[[schema.ModelT], None]) -> bytes:
    """The file after `edit` changed its tables."""
    tables = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    edit(tables)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tables.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def lookup_model() -> bytes:
    """A file that looks rows of a table of four up: input "row", output "value"."""

    def to_lookup(model: schema.ModelT) -> None:
        graph = model.subgraphs[0]
        row, table, value = (graph.tensors[i] for i in (0, 1, 2))
        for tensor, name, shape, kind in (
            (row, "row", [1], schema.TensorType.INT32),
            (table, "table", [4, 3], schema.TensorType.FLOAT32),
            (value, "value", [1, 3], schema.TensorType.FLOAT32),
        ):
            tensor.name, tensor.shape, tensor.type, tensor.quantization = name, np.array(shape, np.int32), kind, None
        model.buffers[table.buffer].data = np.arange(12, dtype=np.float32).view(np.uint8)
        row.buffer = value.buffer = 0
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = np.array([0, 1], np.int32), np.array([2], np.int32)
        graph.operators, graph.tensors = [operator], [row, table, value]
        graph.inputs, graph.outputs = np.array([0], np.int32), np.array([2], np.int32)
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.EMBEDDING_LOOKUP
        code.version = 1
        model.operatorCodes, model.signatureDefs = [code], None

    return edited(content("float32"), to_lookup)


def stateful_model() -> bytes:
    """A file whose SVDF remembers the sample before: input "now", output "sum" = now + 10 * before."""

    def to_memory(model: schema.ModelT) -> None:
        graph = model.subgraphs[0]
        tensors = graph.tensors[:6]
        for tensor, name, shape, values in zip(
            tensors,
            ("now", "features", "times", "offset", "before", "sum"),
            ([1, 1], [1, 1], [1, 2], [1], [1, 2], [1, 1]),
            (None, [1.0], [10.0, 1.0], [0.0], None, None),
            strict=True,
        ):
            tensor.name, tensor.shape, tensor.type = name, np.array(shape, np.int32), schema.TensorType.FLOAT32
            tensor.quantization, tensor.isVariable, tensor.buffer = None, name == "before", 0
            if values is not None:
                buffer = schema.BufferT()
                buffer.data = np.array(values, np.float32).view(np.uint8)
                tensor.buffer = len(model.buffers)
                model.buffers.append(buffer)
        operator = schema.OperatorT()
        operator.inputs, operator.outputs = np.arange(5, dtype=np.int32), np.array([5], np.int32)
        operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.SVDFOptions, schema.SVDFOptionsT()
        operator.builtinOptions.rank = 1
        graph.operators, graph.tensors = [operator], tensors
        graph.inputs, graph.outputs = np.array([0], np.int32), np.array([5], np.int32)
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SVDF
        code.version = 1
        model.operatorCodes, model.signatureDefs = [code], None

    return edited(content("float32"), to_memory)


@pytest.mark.parametrize("open_model", [LiteRT, Micro, *(target.open for target in TARGETS)])
def test_a_model_with_memory_forgets_when_it_is_reset_and_runs_each_sample_as_the_first(
    open_model: Callable[[bytes], Runtime],
) -> None:
    with open_model(stateful_model()) as runtime:
        one = {"now": np.ones((1, 1), np.float32)}
        assert [runtime.run(one)["sum"].item() for _ in range(2)] == [1.0, 11.0]
        runtime.reset()
        assert runtime.run(one)["sum"].item() == 1.0
        samples = {"now": np.arange(1, 5, dtype=np.float32)[:, None]}
        assert runtime.run_each(samples)["sum"].ravel().tolist() == [1.0, 2.0, 3.0, 4.0]
    assert predict(stateful_model(), samples)["sum"].ravel().tolist() == [1.0, 2.0, 3.0, 4.0]


def test_ports_have_the_names_types_and_parameters_of_the_graph() -> None:
    graph, runtime = network("int8"), LiteRT(content("int8"))
    for port, name in zip((*runtime.inputs, *runtime.outputs), ("image", "scores"), strict=True):
        tensor = graph.tensors[name]
        assert (port.name, port.shape, port.dtype) == (name, tensor.shape, DType.INT8)
        assert port.quantization == tensor.quantization


def test_a_file_without_a_signature_goes_by_its_tensors_names() -> None:
    signature = read_signature(lookup_model())
    assert [port.name for port in (*signature.inputs, *signature.outputs)] == ["row", "value"]


def test_both_runtimes_compute_what_the_reference_computes() -> None:
    expected = reference.run(network("int8"), integers())["scores"]
    np.testing.assert_array_equal(Micro(content("int8")).run(integers())["scores"], expected)
    reached = LiteRT(content("int8"), kernels="reference").run(integers())["scores"]
    assert np.abs(reached.astype(int) - expected).max() <= 1


def test_a_batch_gives_the_rows_that_its_samples_give_alone() -> None:
    # The reference kernels sum in one order, whatever the batch, so that not even rounding differs.
    runtime = LiteRT(content("float32"), kernels="reference")
    together = runtime.run({"image": images()})["scores"]
    alone = np.concatenate([runtime.run({"image": images()[i : i + 1]})["scores"] for i in range(COUNT)])
    assert together.shape == (COUNT, 7)
    np.testing.assert_array_equal(together, alone)


def test_an_impossible_shape_is_refused_and_the_model_still_runs() -> None:
    runtime = LiteRT(content("float32"))
    before = runtime.run(IMAGE)["scores"]
    with pytest.raises(DatasetError, match=r"fix: +give the samples in the shape the model was made for"):
        runtime.run({"image": np.zeros((1, 6, 6, 2), np.float32)})
    np.testing.assert_array_equal(runtime.run(IMAGE)["scores"], before)


@pytest.mark.parametrize("runtime", [LiteRT, Micro])
@pytest.mark.parametrize("inputs", [{}, {"picture": IMAGE["image"]}, {"image": IMAGE["image"].astype(np.float64)}])
def test_inputs_of_another_name_or_dtype_are_refused(runtime: type, inputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(
        DatasetError, match=r"fix: +name the inputs as the model does and give each in the model's dtype"
    ):
        runtime(content("float32")).run(inputs)


def test_micro_takes_one_sample_at_a_time() -> None:
    with pytest.raises(DatasetError, match=r"fix: +give one sample at a time"):
        Micro(content("float32")).run({"image": images()})


def test_views_hold_the_result_without_a_copy_until_the_next_run() -> None:
    runtime = LiteRT(content("float32"))
    expected = runtime.run(IMAGE)["scores"]
    views = runtime.run(IMAGE, copy=False)
    assert not views["scores"].flags.owndata
    np.testing.assert_array_equal(views["scores"], expected)
    with pytest.raises(RuntimeError, match="reference to internal data"):
        runtime.run(IMAGE)
    del views
    np.testing.assert_array_equal(runtime.run(IMAGE)["scores"], expected)


@pytest.mark.parametrize("kernels", ["default", "reference"])
def test_litert_shows_every_intermediate_tensor(kernels: str) -> None:
    runtime = LiteRT(content("int8"), kernels=kernels, keep_all=True)
    runtime.run(integers())
    graph = network("int8")
    expected = reference.run(graph, integers(), keep=["features"])["features"]
    assert np.abs(runtime.tensor("features").astype(int) - expected).max() <= 1


def test_micro_shows_every_intermediate_tensor() -> None:
    runtime = Micro(content("int8"), keep_all=True)
    runtime.run(integers())
    expected = reference.run(network("int8"), integers(), keep=["features"])["features"]
    np.testing.assert_array_equal(runtime.tensor("features"), expected)


@pytest.mark.parametrize("damage", [lambda model: b"", lambda model: b"keras" * 40, lambda model: model[:-200]])
def test_what_is_not_a_whole_model_is_refused(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ModelFileError, match=r"fix: +check that the file was written and copied completely"):
        LiteRT(damage(content("float32")))


def test_a_damaged_table_is_refused() -> None:
    model = bytearray(content("float32"))
    model[len(model) // 3 :] = b"\xff" * (len(model) - len(model) // 3)
    with pytest.raises(ModelFileError, match=r"fix: +check that the file was written"):
        LiteRT(bytes(model))


def test_a_model_litert_has_no_kernel_for_is_refused_with_its_reason() -> None:
    def from_the_future(model: schema.ModelT) -> None:
        model.operatorCodes[0].version = 99

    with pytest.raises(ModelFileError, match=r"(?s)got: .*version '99'.*fix: +convert the model again"):
        LiteRT(edited(content("float32"), from_the_future))


def test_a_port_of_a_type_without_numbers_is_refused() -> None:
    def to_strings(model: schema.ModelT) -> None:
        graph = model.subgraphs[0]
        graph.tensors[graph.inputs[0]].type = schema.TensorType.STRING

    with pytest.raises(ModelFileError, match=r"fix: +convert the model with a numeric input"):
        read_signature(edited(content("float32"), to_strings))


def test_micro_refuses_hybrid_operators_with_its_reason() -> None:
    with pytest.raises(
        ModelFileError, match=r"(?s)got: .*FLOAT32 with filter type: INT8 not supported.*fix: +use the sch"
    ):
        Micro(content("dynamic"))


@pytest.mark.parametrize("runtime", [LiteRT, Micro])
def test_a_kernel_that_gives_up_on_its_values_is_bad_input(runtime: type) -> None:
    loaded = runtime(lookup_model())
    assert loaded.run({"row": np.array([2], np.int32)})["value"].tolist() == [[6.0, 7.0, 8.0]]
    with pytest.raises(DatasetError, match=r"(?s)index out of bounds.*fix: +check that indices"):
        loaded.run({"row": np.array([4], np.int32)})


def test_the_arena_holds_what_must_be_alive_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    # The convolution's input and output, 6 * 6 * 3 and 6 * 6 * 8 bytes, are alive together.
    assert Micro(content("int8")).measure_arena() >= 108 + 288
    assert capfd.readouterr() == ("", "")


def test_an_absent_tflite_micro_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    with pytest.raises(MissingDependencyError, match=r'fix: +pip install "octavo\[micro\]"'):
        Micro(content("int8"))


def test_litert_prints_no_information_lines() -> None:
    program = (
        "import sys; from octavo.run.litert import LiteRT; model = sys.stdin.buffer.read(); LiteRT(model); "
        "LiteRT(model, keep_all=True)"
    )
    done = subprocess.run([sys.executable, "-c", program], input=content("float32"), capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_what_native_code_prints_is_caught_and_python_prints_again_afterwards(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with native_stderr() as lines:
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'from below')"], check=True)
    print("from above", file=sys.stderr)
    assert lines == ["from below"]
    assert capfd.readouterr().err == "from above\n"
