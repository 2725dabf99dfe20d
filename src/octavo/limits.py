"""How much a file may ask for before it is refused, and what counts as a file: one place for all that reads any."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, fields
from pathlib import Path

from octavo.errors import ConfigError

PREFIX = "OCTAVO_LIMIT_"


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds, generous for whatever a microcontroller or a phone runs.

    Each can be set by an environment variable: OCTAVO_LIMIT_FILE_BYTES for `file_bytes`, and so on.

    Attributes:
        file_bytes: Of a model, statistics or data file on disk.
        config_bytes: Of a model's configuration, unpacked.
        weights_bytes: Of all weights of a model, unpacked.
        tensor_bytes: Of one tensor that a .tflite file states, or one array of a data file.
        image_pixels: Of one image.
        objects: Tensors and operators of a .tflite file, or datasets and groups of an HDF5 file, together.
        convert_seconds: Processor time TensorFlow's converter may take.
    """

    file_bytes: int = 8 << 30
    config_bytes: int = 64 << 20
    weights_bytes: int = 16 << 30
    tensor_bytes: int = 4 << 30
    image_pixels: int = 1 << 27
    objects: int = 1 << 20
    convert_seconds: int = 1800


def limits() -> Limits:
    """The bounds as the environment has them now.

    Raises:
        ConfigError: if a variable is no positive integer.
    """
    return Limits(**{field.name: _stated(field.name, field.default) for field in fields(Limits)})


def _stated(name: str, usual: object) -> int:
    variable = PREFIX + name.upper()
    text = os.environ.get(variable, str(usual))
    if text.isascii() and text.isdigit() and int(text):
        return int(text)
    raise ConfigError(
        f"the environment variable {variable} is no bound.",
        got=repr(text),
        expected=f"a positive integer; without it {usual} holds",
        fix=f"unset it, or say {variable}={usual}",
    )


def raised(name: str) -> str:
    """How to allow more, for the fix of an error: the variable that sets a bound."""
    return f"the environment variable {PREFIX}{name.upper()}"


def unreadable(path: Path) -> str | None:
    """Why a path is not read as a file, or None: only regular files of at most `Limits.file_bytes` are.

    A device may never end, and a pipe may never begin.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    if stat.S_ISDIR(found.st_mode):
        return "a folder"
    if not stat.S_ISREG(found.st_mode):
        return "a device, pipe or socket"
    most = limits().file_bytes
    return (
        f"{found.st_size} bytes, more than the {most} that {raised('file_bytes')} allows"
        if found.st_size > most
        else None
    )
