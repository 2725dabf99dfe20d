"""As tfmot's module of this name."""

from octavo.tfmot.quantization.keras import default_8bit, quantizers
from octavo.tfmot.quantization.keras.quantize import (
    QuantizeConfig,
    quantize_annotate_layer,
    quantize_annotate_model,
    quantize_apply,
    quantize_model,
    quantize_scope,
)

__all__ = [
    "QuantizeConfig",
    "default_8bit",
    "quantize_annotate_layer",
    "quantize_annotate_model",
    "quantize_apply",
    "quantize_model",
    "quantize_scope",
    "quantizers",
]
