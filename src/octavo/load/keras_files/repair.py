"""Mends what Keras 2 wrote into model configurations and Keras 3 cannot read."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from octavo.ir.graph import fresh_name
from octavo.ir.notes import Note
from octavo.load.keras_files.tf_functions import rewrite_tf_functions

NESTED = frozenset({"Functional", "Model", "Sequential"})
RENAMED_ARGUMENTS = {("LeakyReLU", "alpha"): "negative_slope"}


def repair(config: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[Note, ...]]:
    """Mend a model configuration that Keras 2 wrote.

    - An argument that Keras 3's layer no longer has is dropped where its value asks for nothing (`groups=1` of a
      depthwise convolution), or goes by its new name.
    - A "/" in a layer's name becomes "_".
    - A Sequential model's first layer hands its input shape to an InputLayer.
    - Calls of a nested model are counted from 0; Keras 2 counts from 1.
    - A TensorFlow function between layers (`x + y`) becomes the Keras operation that computes the same.
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
        notes += _rename_layers(model)
        notes += _count_calls_from_0(model)
        notes += rewrite_tf_functions(model)
        for layer in model["config"]["layers"]:
            notes += _mend_arguments(layer)
    return mended, _together(notes)


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


def _rename_layers(model: dict[str, Any]) -> list[Note]:
    """Replace "/" in layer names and wherever the model refers to them, in place."""
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
    return [Note("load", new, "its name has '_' for every '/' of the file's") for new in new_names.values()]


def _count_calls_from_0(model: dict[str, Any]) -> list[Note]:
    """Renumber the calls of nested models, in place.

    Keras 3 renumbers those of Functional models itself where they are the outer model's results.
    """
    config = model["config"]
    kinds = {layer_name(layer): layer["class_name"] for layer in config["layers"] if layer["class_name"] in NESTED}
    renumbered = set(_renumber([layer.get("inbound_nodes", []) for layer in config["layers"]], set(kinds)))
    sequential = {name for name, kind in kinds.items() if kind == "Sequential"}
    renumbered.update(_renumber(config.get("output_layers", []), sequential))
    return [Note("load", name, "its calls are counted from 0, as in Keras 3") for name in sorted(renumbered)]


def _renumber(value: Any, names: set[str]) -> Iterator[str]:
    """Take 1 from the call number in every reference [name, call, result, ...] to one of `names`, in place."""
    if isinstance(value, list) and len(value) >= 3 and isinstance(value[0], str):
        if value[0] in names:
            value[1] -= 1
            yield value[0]
        value = value[3:]
    items: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        yield from _renumber(item, names)


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
    for key in [key for key in config if known and key not in known and _asks_for_nothing(key, config[key])]:
        del config[key]
        notes.append(Note("load", name, f"its {key}, an argument {kind} has no more in Keras 3, asked for nothing"))
    return notes


def _arguments(kind: Any) -> set[str]:
    """What a layer class of Keras's can be constructed with; empty if there is no such class."""
    import keras

    if not inspect.isclass(kind):
        return set()
    own = inspect.signature(kind.__init__).parameters
    base = inspect.signature(keras.layers.Layer.__init__).parameters
    return {*own, *base, "batch_input_shape", "input_shape"}


def _asks_for_nothing(key: str, value: Any) -> bool:
    """Whether an argument stands for its feature's absence, or for a start that stored weights replace."""
    return key.endswith("_initializer") or (value is not True and value in (None, False, 0, 1, [], {}, [1, 1]))


def _together(notes: Iterable[Note]) -> tuple[Note, ...]:
    """One note for all layers of which the same is said."""
    subjects: dict[str, list[str]] = {}
    for note in notes:
        subjects.setdefault(note.text, []).append(note.subject)
    return tuple(Note("load", _listed(names), text) for text, names in subjects.items())


def _listed(names: list[str], limit: int = 3) -> str:
    """The names, or the first of many."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
