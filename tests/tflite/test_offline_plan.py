"""A memory plan in a file: TensorFlow Lite Micro follows it, and computes what it did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from generated import quantized, random_vectors
from octavo.errors import ConfigError, ModelFileError
from octavo.export import export
from octavo.ir.types import Graph
from octavo.load.tflite import read_tflite
from octavo.ops.build import GraphBuilder
from octavo.ops.conv_kernels import Conv2DOptions
from octavo.run.micro import Micro
from octavo.write.offline_plan import METADATA_NAME, with_offline_plan
from octavo.write.tflite import write_tflite

pytest.importorskip("tflite_micro")


def chain() -> Graph:
    """Images that shrink and grow, so that the largest first is not the best order of places."""
    rng = np.random.default_rng(2)
    b = GraphBuilder("chain")
    y = b.input("x", (1, 8, 8, 4))
    for i, channels in enumerate((12, 20, 7, 26, 9, 16)):
        kernel = b.constant(rng.normal(size=(channels, 1, 1, b.shape(y)[3])).astype(np.float32), f"w{i}")
        y = b.emit("CONV_2D", [y, kernel, None], Conv2DOptions(), suffix=f"c{i}")
    return quantized(b.finish((y,)), [{"x": rng.normal(size=(1, 8, 8, 4)).astype(np.float32)}])


def test_micro_takes_what_was_planned_and_computes_the_same() -> None:
    graph = chain()
    content = write_tflite(graph, {"made_by": "a test"})
    planned, plan = with_offline_plan(content)
    before, after = Micro(content), Micro(planned)
    assert after.measure_allocations().head == plan.arena_bytes == plan.lower_bound_bytes
    assert plan.arena_bytes <= before.measure_allocations().head
    for values in random_vectors(graph, 3):
        np.testing.assert_array_equal(after.run(values)[graph.outputs[0]], before.run(values)[graph.outputs[0]])


def test_all_else_in_the_file_stays() -> None:
    content = write_tflite(chain(), {"made_by": "a test"})
    planned, _ = with_offline_plan(content)
    assert 0 < len(planned) - len(content) < 1024
    names = [entry.name.decode() for entry in schema.ModelT.InitFromPackedBuf(planned, 0).metadata]
    assert names == ["min_runtime_version", "octavo", METADATA_NAME]
    again, _ = with_offline_plan(planned)
    assert [e.name.decode() for e in schema.ModelT.InitFromPackedBuf(again, 0).metadata].count(METADATA_NAME) == 1
    assert read_tflite(planned).tensors.keys() == read_tflite(content).tensors.keys()


def test_several_subgraphs_are_refused() -> None:
    model = schema.ModelT.InitFromPackedBuf(write_tflite(chain()), 0)
    model.subgraphs = model.subgraphs * 2
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(ModelFileError, match=r"fix: +leave the plan out"):
        with_offline_plan(bytes(builder.Output()))


def test_an_export_carries_the_plan_for_micro_alone(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(write_tflite(chain()))
    written = export(tmp_path / "x.tflite", tmp_path / "tflm", "tflm", plan_memory=True)
    (planned,) = (path for path in written.paths if path.suffix == ".tflite")
    assert planned.read_bytes() == with_offline_plan((tmp_path / "x.tflite").read_bytes())[0]
    with pytest.raises(ConfigError, match=r"fix: +leave plan_memory out"):
        export(tmp_path / "x.tflite", tmp_path / "c", "c", plan_memory=True)
