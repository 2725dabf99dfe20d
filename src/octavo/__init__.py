"""Octavo folds a Keras network into eight bits, shows what that cost, and hands over a file a microcontroller can run.

    q = octavo.quantize(model, scheme="int8", data=x_train[:500])
    q.save("model.tflite")

Names load when first used: importing octavo loads neither Keras nor TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from octavo.version import VERSION as __version__

if TYPE_CHECKING:
    from octavo import qat, tfmot  # noqa: F401
    from octavo.calibration.statistics import Statistics
    from octavo.comparison.comparison import Comparison, compare
    from octavo.comparison.fit import fit
    from octavo.config import SCHEMES, LayerConfig, QuantizeConfig
    from octavo.diagnosis.diagnose import diagnose
    from octavo.diagnosis.found import Diagnosis
    from octavo.errors import OctavoError
    from octavo.ops.own_lowerings import lowering
    from octavo.pipeline import calibrate, quantize
    from octavo.qat.parity import parity
    from octavo.qat.synthesize import synthesize
    from octavo.result import QuantizedModel

__all__ = [
    "SCHEMES",
    "Comparison",
    "Diagnosis",
    "LayerConfig",
    "OctavoError",
    "QuantizeConfig",
    "QuantizedModel",
    "Statistics",
    "__version__",
    "calibrate",
    "compare",
    "diagnose",
    "fit",
    "lowering",
    "parity",
    "quantize",
    "synthesize",
]

_HOMES = {
    "SCHEMES": "octavo.config",
    "Comparison": "octavo.comparison.comparison",
    "Diagnosis": "octavo.diagnosis.found",
    "LayerConfig": "octavo.config",
    "OctavoError": "octavo.errors",
    "QuantizeConfig": "octavo.config",
    "QuantizedModel": "octavo.result",
    "Statistics": "octavo.calibration.statistics",
    "calibrate": "octavo.pipeline",
    "compare": "octavo.comparison.comparison",
    "diagnose": "octavo.diagnosis.diagnose",
    "fit": "octavo.comparison.fit",
    "lowering": "octavo.ops.own_lowerings",
    "parity": "octavo.qat.parity",
    "quantize": "octavo.pipeline",
    "synthesize": "octavo.qat.synthesize",
}


# Packages that start Keras, and so are not among what `from octavo import *` loads.
_PACKAGES = ("qat", "tfmot")


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(f"octavo.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'octavo' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted((*__all__, *_PACKAGES))
