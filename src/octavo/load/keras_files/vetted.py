"""Which classes and functions a stored configuration may name: Keras's own parts of models, and the caller's.

Keras finds both by the module and name that the file states, and what it finds it calls. The list is Octavo's, as
that of Keras differs from version to version.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

# Plain values in the clothes of a class.
VALUES = frozenset({"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"})
# Packages whose layers compute and nothing else; others load files, unpickle or call what they are told to.
_LAYERS = tuple(
    f"keras.src.layers.{family}."
    for family in (
        "activations", "attention", "convolutional", "core", "merging", "normalization", "pooling", "preprocessing",
        "regularization", "reshaping", "rnn",
    )
)  # fmt: skip
# Layers of these packages that run a function the file names, or read a vocabulary from another file.
_REACHING = frozenset({"Lambda", "IndexLookup", "IntegerLookup", "StringLookup", "TextVectorization"})
_MODELS = frozenset({"Functional", "Model", "Sequential"})
_OPERATIONS = ("keras.src.ops.", "keras.src.activations.")
_FUNCTIONS = ("keras.src.activations.", "keras.src.ops.", "keras.src.losses.", "keras.src.metrics.")
# Where a file of Keras 2, which states no module, means a class to be.
_NAMESPACES = ("layers", "initializers", "regularizers", "constraints", "dtype_policies", "models")


def strangers(config: Any) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Every part of a configuration that names a class or function of neither kind, and that name in words."""
    for part in parts(config):
        name = part.get("class_name")
        if name is not None and not (isinstance(name, str) and (name in VALUES or _is_known(part))):
            yield part, described(part)


def parts(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every dict in nested dicts and lists, the configuration's own training settings left out: they are not read."""
    pending = [config]
    if isinstance(config, Mapping):
        pending = [{key: value for key, value in config.items() if key != "compile_config"}]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            yield value
        if isinstance(value, (Mapping, list)):
            pending += value.values() if isinstance(value, Mapping) else value


def described(part: Mapping[str, Any]) -> str:
    """The class or function that a part names, as its module and name."""
    name = part.get("config") if part["class_name"] == "function" else part["class_name"]
    return f"{part['module']}.{name}" if part.get("module") else str(name)


def registered(part: Mapping[str, Any]) -> Any:
    """What the caller registered with Keras under the name the file has for a part, or None."""
    import keras

    function = part["class_name"] == "function"
    name = part.get("config") if function else part.get("registered_name") or part["class_name"]
    found = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    return None if str(getattr(found, "__module__", "")).startswith("keras.src.") else found


def _is_known(part: Mapping[str, Any]) -> bool:
    if not isinstance(part.get("module"), str | None):
        return False
    if registered(part) is not None:
        return True
    if part["class_name"] == "function":
        return _is_function_of_keras(part.get("module"), part.get("config"))
    return any(_is_part_of_a_model(found) for found in _candidates(part.get("module"), part["class_name"]))


def _is_function_of_keras(module: str | None, name: Any) -> bool:
    """Whether a function is one of keras.activations, ops, losses and metrics."""
    import keras

    if not isinstance(name, str) or "." in name:
        return False
    if module in (None, "builtins"):
        spaces: list[Any] = [keras.activations, keras.losses, keras.metrics]
    else:
        spaces = [space] if (space := _space(str(module))) is not None else []
    found = next((vars(space)[name] for space in spaces if name in vars(space)), None)
    return inspect.isfunction(found) and f"{found.__module__}.".startswith(_FUNCTIONS)


def _candidates(module: str | None, name: str) -> list[Any]:
    """The objects that Keras may find under a module and name, nothing being imported to see."""
    import keras

    if module is not None and _is_of_keras(module):
        # Keras 2 had its models in other modules, and Keras 3 still knows their names.
        moved = [getattr(keras.models, name)] if name in ("Model", "Sequential") else []
        found = vars(space).get(name) if (space := _space(module)) is not None else None
        return [found] if found is not None else moved
    if module is not None:
        return []
    if name == "Functional":
        return [keras.Model]
    return [vars(space)[name] for space in (getattr(keras, space) for space in _NAMESPACES) if name in vars(space)][:1]


def _space(module: str) -> Any:
    """A module of Keras that is loaded, by its path or by the public names that lead to it, or None."""
    import keras

    if not _is_of_keras(module):
        return None
    space: Any = keras
    for name in module.split(".")[1:]:
        space = getattr(space, name, None)
    found = sys.modules.get(module, space)
    return found if inspect.ismodule(found) else None


def _is_of_keras(module: str) -> bool:
    return module == "keras" or module.startswith("keras.")


def _is_part_of_a_model(kind: Any) -> bool:
    """Whether an object is a class of Keras's own that computes, initializes, limits or describes, and does no more."""
    import keras

    if not inspect.isclass(kind) or not kind.__module__.startswith("keras.src."):
        return False
    if issubclass(kind, keras.Model):
        return kind.__name__ in _MODELS
    if issubclass(kind, keras.layers.Layer):
        return kind.__module__.startswith(_LAYERS) and kind.__name__ not in _REACHING
    bases = (
        keras.Initializer, keras.Regularizer, keras.constraints.Constraint, keras.DTypePolicy,
        keras.dtype_policies.DTypePolicyMap, keras.random.SeedGenerator, keras.Loss, keras.Metric, keras.Optimizer,
        keras.optimizers.schedules.LearningRateSchedule,
    )  # fmt: skip
    return issubclass(kind, bases) or (issubclass(kind, keras.Operation) and kind.__module__.startswith(_OPERATIONS))
