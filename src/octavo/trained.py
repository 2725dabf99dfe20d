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


def check_left_to_training(config: QuantizeConfig, methods: Sequence[Method]) -> None:
    """Refuse options that say otherwise than what a model was trained by.

    Raises:
        ConfigError: naming the option.
    """
    for name in ("skip", "layers", "per_axis", "estimator", "effort"):
        value = getattr(config, name)
        if value != getattr(QuantizeConfig(), name):
            raise ConfigError(
                f"{name} was decided when the model was made for training.",
                got=f"{name}={value!r}",
                expected=f"no {name}",
                fix=f"leave {name} out, or quantize octavo.qat.strip(model) with it",
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
    if scheme is not None and scheme != trained.config.scheme:
        raise ConfigError(
            f"the model was trained for scheme '{trained.config.scheme}'.",
            got=f"scheme='{scheme}'",
            expected=f"'{trained.config.scheme}', or no scheme",
            fix=f"leave scheme out, or quantize octavo.qat.strip(model) by '{scheme}'",
        )
    return replace(trained.config, input_type=config.input_type, output_type=config.output_type, verify=config.verify)
