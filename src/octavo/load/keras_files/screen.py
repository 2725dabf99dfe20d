"""Looks a stored configuration over before anything of it is constructed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from octavo.errors import ModelFileError, UnsupportedLayerError
from octavo.load.keras_files.repair import layer_name, models
from octavo.load.keras_files.stored import StoredModel
from octavo.load.keras_graph import refusals
from octavo.load.keras_graph.form_names import stored_form_name

# Layers that bring a program of another framework with them.
FOREIGN = frozenset({"FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"})
STRUCTURE = frozenset({"Functional", "InputLayer", "Model", "Sequential"})


def screen(stored: StoredModel) -> None:
    """Refuse a file that brings code with it, or whose classes are not at hand.

    Keras's safe mode refuses stored code as well, but a switch for the whole process turns that off.

    Raises:
        UnsupportedLayerError: for stored code, for programs of other frameworks, and for an own class that is not
            registered.
        ModelFileError: for a .keras file of Keras 2, whose weights Keras 3 does not find.
    """
    if stored.path.suffix == ".keras" and stored.keras_version.startswith("2."):
        raise _keras_2_archive(stored)
    for part in _parts(stored.config):
        if part.get("class_name") == "__lambda__":
            raise _stored_code(stored, "an unnamed function")
    for model in models(stored.config):
        _check_class(model, layer_name(model))
        for layer in model["config"]["layers"]:
            _check_layer(stored, layer)


def _check_layer(stored: StoredModel, layer: Mapping[str, Any]) -> None:
    name, kind = layer_name(layer), layer["class_name"]
    if kind == "Lambda" and isinstance(layer["config"].get("function"), list):
        raise _stored_code(stored, f"layer '{name}' (Lambda)")
    if kind in STRUCTURE or _registered(layer):
        return
    _check_class(layer, name)
    if kind in FOREIGN:
        raise refusals.no_form(name, stored_form_name(layer), f"a {kind} in '{stored.path.name}'")


def _check_class(part: Mapping[str, Any], name: str) -> None:
    """A class is Keras's own or registered under the name the file knows it by."""
    import keras

    kind, module = part["class_name"], part.get("module")
    at_hand = str(module).startswith("keras") if module else kind in STRUCTURE or hasattr(keras.layers, kind)
    if not at_hand and not _registered(part):
        raise UnsupportedLayerError(
            f"'{name}' is of class {kind}, which Keras does not know.",
            got=f"{module}.{kind}" if module else str(kind),
            expected="a class of keras.layers, or one registered under the name the file has for it",
            fix="build the model in Python and give it as keras.Model; or decorate the class with "
            "@keras.saving.register_keras_serializable() and import it first",
        )


def _registered(part: Mapping[str, Any]) -> bool:
    import keras

    return keras.saving.get_registered_object(part.get("registered_name") or part["class_name"]) is not None


def _parts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every dict in nested lists and dicts."""
    if isinstance(value, Mapping):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _parts(item)


def _stored_code(stored: StoredModel, where: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"'{stored.path.name}' holds Python code that would have to run to load it.",
        got=f"byte code in {where}",
        expected="a model of layers and keras.ops calls, without stored code",
        fix="build the model in Python with keras.ops calls instead and save that; or give the model itself, in the "
        "process that built it",
    )


def _keras_2_archive(stored: StoredModel) -> ModelFileError:
    return ModelFileError(
        f"'{stored.path.name}' was written by Keras 2, whose .keras files Keras 3 cannot read.",
        got=f"Keras {stored.keras_version}",
        expected="a .keras file of Keras 3, or a .h5 file of either",
        fix="open it where it was written and save it with model.save('model.h5')",
    )
