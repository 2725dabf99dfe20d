"""Looks a stored configuration over before anything of it is constructed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from octavo.errors import ModelFileError, UnsupportedLayerError
from octavo.load.keras_files.repair import layer_name, models
from octavo.load.keras_files.stored import StoredModel
from octavo.load.keras_files.vetted import described, parts, registered, strangers
from octavo.load.keras_graph import refusals


def screen(stored: StoredModel, allow: Collection[str] = ()) -> None:
    """Refuse a file that brings code with it, or whose classes are not at hand.

    Keras's safe mode refuses stored code as well, but a switch for the whole process turns that off, and what it
    refuses differs from version to version.

    Args:
        stored: The file.
        allow: Names of Lambda layers that may be read; their functions must be Keras's own or registered.

    Raises:
        UnsupportedLayerError: for stored code, for programs of other frameworks, and for a class or function that is
            neither of a model's parts in Keras nor registered.
        ModelFileError: for a .keras file of Keras 2, whose weights Keras 3 does not find.
    """
    if stored.path.suffix == ".keras" and stored.keras_version.startswith("2."):
        raise _keras_2_archive(stored)
    if any(part.get("class_name") == "__lambda__" for part in parts(stored.config)):
        raise _stored_code(stored, "an unnamed function")
    for part in parts(stored.config):
        if _is_lambda(part):
            _check_lambda(stored, part, allow)
    for model in models(stored.config):
        if not all("class_name" in layer for layer in model["config"]["layers"]):
            raise KeyError("class_name")
    for part, named in strangers(stored.config):
        if not _is_lambda(part):
            raise _unknown(part, named)


def _is_lambda(part: Mapping[str, Any]) -> bool:
    """Whether Keras would make a Lambda of a part, by any of the names it has for one."""
    return part.get("class_name") == "Lambda" and registered(part) is None


def _check_lambda(stored: StoredModel, part: Mapping[str, Any], allow: Collection[str]) -> None:
    name, config = layer_name(part), part["config"]
    functions = [config.get(key) for key in ("function", "output_shape", "mask")]
    if any(isinstance(item, list) and item and isinstance(item[0], str) for item in functions):
        raise _stored_code(stored, f"layer '{name}' (Lambda)")
    if name not in allow:
        raise _named_function(stored, name, functions[0])


def _unknown(part: Mapping[str, Any], named: str) -> UnsupportedLayerError:
    import keras

    kind = part["class_name"]
    name = layer_name(part) if isinstance(part.get("config"), Mapping) else ""
    if hasattr(keras.layers, str(kind)) and str(part.get("module")).startswith(("keras", "None")):
        return refusals.no_form(
            name or str(kind), f"layers.{kind}", f"{named}, which reads or runs more than its input"
        )
    what = "a function" if kind == "function" else f"of class {kind}"
    return UnsupportedLayerError(
        f"'{name or named}' is {what}, which is no part of a model that Keras has.",
        got=named,
        expected="a class of keras.layers and the like, or one registered under the name the file has for it",
        fix="build the model in Python and give it as keras.Model; or decorate the class with "
        "@keras.saving.register_keras_serializable() and import it first",
    )


def _stored_code(stored: StoredModel, where: str) -> UnsupportedLayerError:
    return UnsupportedLayerError(
        f"'{stored.path.name}' holds Python code that would have to run to load it.",
        got=f"byte code in {where}",
        expected="a model of layers and keras.ops calls, without stored code",
        fix="build the model in Python with keras.ops calls instead and save that; or give the model itself, in the "
        "process that built it",
    )


def _named_function(stored: StoredModel, name: str, function: Any) -> UnsupportedLayerError:
    named = described(function) if isinstance(function, Mapping) and "class_name" in function else str(function)
    return UnsupportedLayerError(
        f"layer '{name}' (Lambda) of '{stored.path.name}' runs a function that the file names.",
        got=named,
        expected="a model of layers and keras.ops calls",
        fix=f"if you trust this function, register it and say allow=('{name}',); or replace the Lambda by keras.ops "
        "calls",
    )


def _keras_2_archive(stored: StoredModel) -> ModelFileError:
    return ModelFileError(
        f"'{stored.path.name}' was written by Keras 2, whose .keras files Keras 3 cannot read.",
        got=f"Keras {stored.keras_version}",
        expected="a .keras file of Keras 3, or a .h5 file of either",
        fix="open it where it was written and save it with model.save('model.h5')",
    )
