"""The passes between training and deployment keep what was trained."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from octavo.errors import GraphError
from octavo.ir.graph import with_tensors
from octavo.ir.notes import Note
from octavo.ir.types import Graph
from octavo.load.keras_graph import load_keras
from octavo.passes import PASSES, graph_pass
from octavo.qat.prepare import prepare_as_named


def equalize(graph: Graph) -> tuple[Graph, tuple[Note, ...]]:
    """A pass that moves values and does not say that it keeps them."""
    return with_tensors(graph, []), ()


def test_training_refuses_a_pass_that_does_not_keep_values_by_name() -> None:
    loaded = load_keras(keras.Sequential([keras.Input((4,)), layers.Dense(3)]))
    with pytest.raises(GraphError, match=r"fix: +make equalize a conditioning method") as error:
        prepare_as_named(loaded, {}, (*PASSES, equalize))
    assert error.value.what.startswith("pass equalize does not keep values")
    kept = prepare_as_named(loaded, {}, (*PASSES, graph_pass(keeps_values=True)(equalize)))
    assert kept.graph.nodes == prepare_as_named(loaded, {}).graph.nodes


def test_passes_that_would_make_activations_the_model_does_not_show_are_left_out() -> None:
    stack = [layers.Rescaling(0.5, 1.0), layers.Rescaling(3.0, 2.0), layers.Activation("tanh")]
    model = keras.Sequential([keras.Input((4,)), *stack])
    loaded = load_keras(model)
    graph = prepare_as_named(loaded, {}).graph
    assert {name for node in graph.nodes for name in node.outputs} <= set(loaded.graph.tensors)
    assert np.isfinite([tensor.data.sum() for tensor in graph.tensors.values() if tensor.data is not None]).all()
