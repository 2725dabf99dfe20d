"""The process of TensorFlow's converter: `python -m octavo.load.convert_child FOLDER OUT NAME SIGNATURE INPUT_SHAPE`.

It writes `model.tflite` or `error.json` into OUT and nothing anywhere else.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

from octavo.errors import OctavoError
from octavo.limits import limits
from octavo.load.confine import confine
from octavo.load.input_shape import InputShape
from octavo.load.saved_model_ops import check_operators
from octavo.load.tensorflow import cannot_convert, convert


def main(folder: Path, out: Path, name: str, signature: str | None, input_shape: InputShape | None) -> None:
    """Convert the SavedModel in `folder`, called `name` in errors, once its graph has been looked over."""
    import tensorflow

    confine(out, limits().convert_seconds, limits().file_bytes)
    try:
        check_operators(_parsed(folder), _stateful, name)
        (out / "model.tflite").write_bytes(convert(tensorflow, folder, name, signature, input_shape))
    except OctavoError as error:
        _tell(out, error)
    except Exception as error:
        _tell(out, cannot_convert(name, error))


def _tell(out: Path, error: OctavoError) -> None:
    parts = {"what": error.what, "got": error.got, "expected": error.expected, "fix": error.fix}
    (out / "error.json").write_text(json.dumps({"kind": type(error).__name__, **parts}))


def _parsed(folder: Path) -> Any:
    from tensorflow.python.saved_model import loader_impl

    return loader_impl.parse_saved_model(str(folder))


def _stateful(op: str) -> bool:
    """Whether an operator has effects; one that TensorFlow does not know, it does not run."""
    from tensorflow.python.framework import op_def_registry

    found = op_def_registry.get(op)
    return found is not None and found.is_stateful


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4] or None, json.loads(sys.argv[5]))
