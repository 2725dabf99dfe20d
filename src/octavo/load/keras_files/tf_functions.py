"""Rewrites the TensorFlow functions of Keras 2 graphs (`x + y` between layers) as operations of Keras 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from octavo.ir.notes import Note

# Functions of one or two tensors or numbers, with the Keras operation that computes the same.
OPERATIONS: dict[str, tuple[str, str]] = {
    "__operators__.add": ("keras.src.ops.numpy", "Add"),
    "math.add": ("keras.src.ops.numpy", "Add"),
    "math.maximum": ("keras.src.ops.numpy", "Maximum"),
    "math.minimum": ("keras.src.ops.numpy", "Minimum"),
    "math.multiply": ("keras.src.ops.numpy", "Multiply"),
    "math.subtract": ("keras.src.ops.numpy", "Subtract"),
    "math.tanh": ("keras.src.ops.numpy", "Tanh"),
    "math.truediv": ("keras.src.ops.numpy", "TrueDivide"),
    "nn.relu": ("keras.src.ops.nn", "Relu"),
    "nn.relu6": ("keras.src.ops.nn", "Relu6"),
    "math.sigmoid": ("keras.src.ops.nn", "Sigmoid"),
}


def rewrite_tf_functions(model: Mapping[str, Any]) -> list[Note]:
    """Replace the layers of class TFOpLambda that have a Keras operation, in place."""
    notes = []
    for layer in model["config"]["layers"]:
        function = layer["config"].get("function")
        if layer["class_name"] == "TFOpLambda" and function in OPERATIONS:
            module, kind = OPERATIONS[function]
            name = layer["config"]["name"]
            nodes = [_node(node) for node in layer["inbound_nodes"]]
            layer.clear()
            layer.update(module=module, class_name=kind, registered_name=kind, name=name)
            layer.update(config={"name": name}, inbound_nodes=nodes)
            notes.append(Note("load", name, f"tf.{function} became the Keras operation {kind}"))
    return notes


def _node(node: list[Any]) -> dict[str, Any]:
    """[["x", 0, 0, {"y": ["z", 0, 0]}]] as Keras 3 writes a call: arguments in order, tensors marked as such."""
    first, *rest = node if isinstance(node[0], list) else [node]
    keywords = {key: value for key, value in first[3].items() if key != "name"}
    arguments = [_argument(first), *map(_argument, rest), *map(_argument, keywords.values())]
    return {"args": arguments, "kwargs": {}}


def _argument(value: Any) -> Any:
    """A number as it is, a reference to a layer's result as a marked Keras tensor."""
    if not isinstance(value, list):
        return value
    if value[0] == "_CONSTANT_VALUE":
        return value[2]
    config = {"shape": [], "dtype": "float32", "keras_history": value[:3]}
    return {"class_name": "__keras_tensor__", "config": config}
