"""What can be loaded, and what is said of anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from octavo.errors import InputError
from octavo.load import load


def refusal(source: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        load(source)
    return caught.value


def test_a_model_its_path_and_the_path_as_text_give_the_same_graph(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(2, name="scores")], name="model")
    path = tmp_path / "model.keras"
    model.save(path)
    graphs = [load(source).graph for source in (model, path, str(path))]
    assert {graph.nodes for graph in graphs} == {graphs[0].nodes}
    for graph in graphs:
        np.testing.assert_array_equal(graph.tensors["scores/kernel"].data, graphs[0].tensors["scores/kernel"].data)


def test_only_a_model_in_memory_has_names_for_its_tensors(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4,), name="x"), layers.Dense(2, name="scores")])
    model.save(tmp_path / "model.keras")
    assert load(model).names[id(model.outputs[0])] == "scores"
    assert not load(tmp_path / "model.keras").names


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"onnx")
    error = refusal(path)
    assert "'.onnx'" in error.got
    assert "model.save('model.keras')" in error.fix


def test_something_that_is_no_model_is_refused() -> None:
    error = refusal(layers.Dense(2))
    assert "Dense" in error.got
    assert "give a keras.Model" in error.fix


def test_a_model_of_tf_keras_is_told_how_to_come_over() -> None:
    legacy = type("Sequential", (), {"__module__": "tf_keras.src.engine.sequential"})
    assert "model.save('model.h5')" in refusal(legacy()).fix
