"""What several commands do."""

from __future__ import annotations

import json
from pathlib import Path

from octavo.errors import OctavoError


def start_keras_for(model: Path) -> None:
    """Start Keras if the model is one of its files."""
    from octavo.load.paths import KERAS_ENDINGS, existing

    if existing(model).suffix in KERAS_ENDINGS:
        from octavo.backend import start_keras

        start_keras()


def print_json(value: object) -> None:
    """Print one object on standard output."""
    print(json.dumps(value, indent=2, default=str))


def print_json_error(error: OctavoError) -> None:
    """Print an error as one line of JSON on standard output."""
    parts = {"what": error.what, "got": error.got, "expected": error.expected, "fix": error.fix}
    print(json.dumps({"error": {"kind": type(error).__name__, **parts}}))
