"""Networks of keras.applications, small, with random weights, compute what Keras computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras.src.applications import densenet, efficientnet

from keras_agreement import assert_computes_the_same, random_inputs, spread_weights
from octavo.load.keras_graph import load_keras

OPTIONS: dict[str, Any] = {"weights": None, "input_shape": (32, 32, 3), "classes": 10}
NETWORKS: dict[str, Callable[[], Any]] = {
    "densenet": lambda: densenet.DenseNet([2, 1, 1, 2], **OPTIONS),
    "efficientnet": lambda: efficientnet.EfficientNet(0.25, 0.25, 32, **OPTIONS, weights_name=""),
    "mobilenet": lambda: keras.applications.MobileNet(alpha=0.25, **OPTIONS),
    "mobilenet_v2": lambda: keras.applications.MobileNetV2(alpha=0.35, **OPTIONS),
    "mobilenet_v3": lambda: keras.applications.MobileNetV3Small(alpha=0.75, **OPTIONS),
    "resnet50": lambda: keras.applications.ResNet50(**OPTIONS),
}


LONG = ("densenet", "efficientnet", "mobilenet_v2", "mobilenet_v3", "resnet50")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.exhaustive] if name in LONG else []) for name in NETWORKS]
)
def test_a_known_network_computes_what_keras_computes(name: str) -> None:
    model = NETWORKS[name]()
    spread_weights(model)
    graph = load_keras(model).graph
    assert {node.layer for node in graph.nodes} <= {operation.name for operation in model.operations}
    assert_computes_the_same(model, graph, [array[:1] for array in random_inputs(model)])
