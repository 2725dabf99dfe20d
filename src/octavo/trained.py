"""Models that were trained for quantization, in memory or in a file, and what training leaves to decide."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octavo.condition import Method
from octavo.config import QuantizeConfig
from octavo.errors import ConfigError
from octavo.load.paths import KERAS_ENDINGS, existing_file

if TYPE_CHECKING:
    from octavo.qat.deploy import Trained


def opened(model: Any, allow: Sequence[str] = ()) -> Any:
    """The model in a file that a quantization-aware one was saved to; anything else, other files included, as it is.

    Args:
        model: As for `octavo.quantize`.
        allow: As for `octavo.quantize`.

    Raises:
        ModelFileError, UnsupportedLayerError: if it is a Keras file that cannot be read.
    """
    if not isinstance(model, (str, PathLike)) or Path(model).suffix not in KERAS_ENDINGS:
        return model
    from octavo.load.keras_files import read_keras, stored_class

    if stored_class(existing_file(Path(model))) != "QuantizationAwareModel":
        return model
    import octavo.qat  # noqa: F401 - registers what the file is made of

    return read_keras(Path(model), allow)[0]


def is_quantization_aware(model: Any) -> bool:
    """Whether a model was made by `octavo.qat.quantize_model`; told without importing Keras."""
    if "octavo.qat.layers.model" not in sys.modules:
        return False
    from octavo.qat.layers.model import QuantizationAwareModel

    return isinstance(model, QuantizationAwareModel)


def what_training_decided(model: Any) -> Trained | None:
    """What a quantization-aware model is deployed by; None for any other model."""
    if not is_quantization_aware(model):
        return None
    from octavo.qat.deploy import trained

    return trained(model)


def check_left_to_training(config: QuantizeConfig, methods: Sequence[Method], input_shape: object = None) -> None:
    """Refuse options that say otherwise than what a model was trained by.

    Raises:
        ConfigError: naming the option.
    """
    for name in ("skip", "layers", "per_axis", "estimator", "percentile", "effort"):
        value = getattr(config, name)
        if value != getattr(QuantizeConfig(), name):
            raise ConfigError(
                f"{name} was decided when the model was made for training.",
                got=f"{name}={value!r}",
                expected=f"no {name}",
                fix=f"leave {name} out, or quantize octavo.qat.strip(model) with it",
            )
    if input_shape is not None:
        raise ConfigError(
            "the shapes of a trained model's inputs are those it was trained with.",
            got=f"input_shape={input_shape!r}",
            expected="no input_shape",
            fix="leave input_shape out, or quantize octavo.qat.strip(model) with it",
        )
    if methods:
        raise ConfigError(
            "the weights of a trained model are written as they were trained.",
            got=f"methods: {', '.join(method.name for method in methods)}",
            expected="no methods",
            fix="condition before training, with octavo.qat.quantize_model(model, data=..., methods=...)",
        )


def as_trained(config: QuantizeConfig, scheme: str | None, trained: Trained) -> QuantizeConfig:
    """The configuration a model was trained by, with what may be chosen afterwards.

    Raises:
        ConfigError: if `scheme` is not the one it was trained for.
    """
    check_scheme(scheme, trained.config.scheme)
    left = ("input_type", "output_type", "verify", "seed")
    return replace(trained.config, **{name: getattr(config, name) for name in left})


def check_scheme(scheme: str | None, trained_for: str) -> str:
    """The scheme a model was trained for.

    Raises:
        ConfigError: if another one is asked for.
    """
    if scheme not in (None, trained_for):
        raise ConfigError(
            f"the model was trained for scheme '{trained_for}'.",
            got=f"scheme='{scheme}'",
            expected=f"'{trained_for}', or no scheme",
            fix=f"leave scheme out, or quantize octavo.qat.strip(model) by '{scheme}'",
        )
    return trained_for


def check_no_leave(model: Any, allow: Sequence[str]) -> None:
    """Refuse leave for functions in a trained model: which may run was decided when it was made.

    Raises:
        ConfigError: naming them.
    """
    if allow and is_quantization_aware(model):
        raise ConfigError(
            "allow was decided when the model was made for training.",
            got=f"allow={allow!r}",
            expected="no allow",
            fix="leave allow out; octavo.qat.quantize_model(model, allow=...) takes it",
        )
