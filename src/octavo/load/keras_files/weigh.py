"""How much memory a configuration asks for, known before any of it is taken."""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

from octavo.errors import ModelFileError
from octavo.limits import limits, raised
from octavo.load.keras_files.stored import StoredModel

# A file may hold weights at less than their full width, and a model has variables that no file holds.
_WIDER, _SMALL = 8, 64 << 20


def weigh(stored: StoredModel, config: dict[str, Any]) -> None:
    """Build the model without memory for its weights, and refuse it where they are far more than the file holds.

    Raises:
        ModelFileError: for weights of another size than the file's, and for more than `Limits.weights_bytes`.
    """
    asked = _asked_bytes(stored, config)
    most = min(limits().weights_bytes, _WIDER * stored.weight_bytes + _SMALL)
    if asked > most:
        raise ModelFileError(
            f"'{stored.path.name}' describes a model far larger than its weights.",
            got=f"layers that take {asked} bytes of variables, and {stored.weight_bytes} bytes of weights",
            expected=f"weights for all layers, and at most {limits().weights_bytes} bytes",
            fix=f"save the model again with model.save('model.keras'), or raise {raised('weights_bytes')} for a "
            "model that is so large",
        )


def _asked_bytes(stored: StoredModel, config: dict[str, Any]) -> int:
    """Bytes of the variables that Keras would make. What it cannot build is told when it builds it in earnest."""
    import keras
    from keras.src.backend.common import global_state
    from keras.src.legacy.saving.saving_utils import model_from_config

    waiting = "uninitialized_variables"
    before = global_state.get_global_attribute(waiting, None)
    variables: list[Any] = []
    config = copy.deepcopy(config)  # Keras takes it apart
    try:
        global_state.set_global_attribute(waiting, variables)
        with keras.StatelessScope(initialize_variables=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if stored.path.suffix == ".keras":
                keras.saving.deserialize_keras_object({**config, "compile_config": None}, safe_mode=True)
            else:
                model_from_config(config)
    except Exception:
        pass
    finally:
        global_state.set_global_attribute(waiting, before if before is not None else [])
    return sum(math.prod(variable.shape) * 4 for variable in variables)
