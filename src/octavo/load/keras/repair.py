"""Mends what Keras 2 wrote into model configurations and Keras 3 cannot read."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from octavo.ir.graph import fresh_name
from octavo.ir.notes import Note

RENAMED_ARGUMENTS = {("LeakyReLU", "alpha"): "negative_slope"}


def repair(config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Note, ...]]:
    """Mend a legacy model configuration.

    - An argument that Keras 3's layer no longer has is dropped where its value asks for nothing (`groups=1` of a
      depthwise convolution), or goes by its new name.
    - A "/" in a layer's name becomes "_".
    - A Sequential model's first layer hands its input shape to an InputLayer.
    - A dtype policy is written as its name.

    Args:
        config: As stored; it is not changed.

    Returns:
        The mended configuration, and a note on each repair; none if there was nothing to mend.
    """
    mended = copy.deepcopy(dict(config))
    notes = []
    for model in models(mended):
        notes += _put_input_layer_first(model)
        renamed = _rename_layers(model)
        notes += [Note("load", new, f"called '{old}' in the file; Keras 3 has no '/' in names") for old, new in renamed]
        for layer in model["config"]["layers"]:
            notes += _mend_arguments(layer)
    return mended, tuple(notes)


def models(config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The configurations of a model and of all models nested in it."""
    if isinstance(config.get("config"), dict) and isinstance(config["config"].get("layers"), list):
        yield config  # type: ignore[misc]
        for layer in config["config"]["layers"]:
            yield from models(layer)


def layer_name(layer: Mapping[str, Any]) -> str:
    """Name of a layer by its configuration."""
    return str(layer.get("name") or layer["config"].get("name", ""))


def _put_input_layer_first(model: dict[str, Any]) -> list[Note]:
    layers = model["config"]["layers"]
    if model["class_name"] != "Sequential" or not layers:
        return []
    shapes = [layer["config"].pop("batch_input_shape", None) for layer in layers if layer["class_name"] != "InputLayer"]
    if layers[0]["class_name"] == "InputLayer" or shapes[0] is None:
        return []
    name = layer_name(layers[0])
    config = {"batch_shape": shapes[0], "dtype": "float32", "name": f"{name}_input"}
    layers.insert(0, {"class_name": "InputLayer", "config": config})
    return [Note("load", name, "its input shape became an input layer of the model")]


def _rename_layers(model: dict[str, Any]) -> list[tuple[str, str]]:
    """Replace "/" in layer names and wherever the model refers to them; returns (old, new) pairs."""
    config = model["config"]
    names = [layer_name(layer) for layer in config["layers"]]
    new_names: dict[str, str] = {}
    for name in names:
        if "/" in name:
            new_names[name] = fresh_name({*names, *new_names.values()}, name.replace("/", "_"))
    if new_names:
        for layer in config["layers"]:
            layer["config"]["name"] = layer["name"] = new_names.get(layer_name(layer), layer_name(layer))
        for place in [layer.get("inbound_nodes", []) for layer in config["layers"]]:
            _replace_strings(place, new_names)
        for key in ("input_layers", "output_layers"):
            _replace_strings(config.get(key, []), new_names)
    return list(new_names.items())


def _replace_strings(value: Any, new: Mapping[str, str]) -> None:
    """Replace strings in nested lists and dicts, in place."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        if isinstance(item, str):
            value[key] = new.get(item, item)
        elif isinstance(item, (list, dict)):
            _replace_strings(item, new)


def _mend_arguments(layer: dict[str, Any]) -> list[Note]:
    """Rename and drop arguments of one layer, in place."""
    import keras

    kind, config, notes = layer["class_name"], layer["config"], []
    name = layer_name(layer)
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and dtype.get("class_name") in ("Policy", "PolicyV1"):
        config["dtype"] = dtype["config"]["name"]
        notes.append(Note("load", name, f"its dtype policy is written as '{config['dtype']}'"))
    for (owner, old), new in RENAMED_ARGUMENTS.items():
        if kind == owner and old in config:
            config[new] = config.pop(old)
            notes.append(Note("load", name, f"its {old} is called {new} in Keras 3"))
    known = _arguments(getattr(keras.layers, kind, None))
    for key in [key for key, value in config.items() if known and key not in known and _asks_for_nothing(value)]:
        value = config.pop(key)
        notes.append(Note("load", name, f"{key}={value} was dropped: {kind} has no such argument in Keras 3"))
    return notes


def _arguments(kind: Any) -> set[str]:
    """What a layer class of Keras's can be constructed with; empty if there is no such class."""
    import keras

    if not inspect.isclass(kind):
        return set()
    own = inspect.signature(kind.__init__).parameters
    base = inspect.signature(keras.layers.Layer.__init__).parameters
    return {*own, *base, "batch_input_shape", "input_shape"}


def _asks_for_nothing(value: Any) -> bool:
    """Whether an argument's value stands for its feature's absence."""
    return value is not True and value in (None, False, 0, 1, [], {}, [1, 1])
