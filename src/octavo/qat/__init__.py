"""Quantization-aware training on Keras 3.

    qat_model = octavo.qat.quantize_model(model)          # an ordinary keras.Model
    qat_model.compile(...); qat_model.fit(...)
    q = octavo.quantize(qat_model)                        # its own ranges; no data needed

Fake quantization stands exactly where the plan of `octavo.plan` puts integers, so what is trained is what is deployed.
Importing this registers the layers that saved quantization-aware models are made of.
"""

from octavo.qat.layers.annotated import Annotated
from octavo.qat.layers.batch_norm import FreezeBatchNorm
from octavo.qat.layers.model import QuantizationAwareModel
from octavo.qat.make import annotate, apply, quantize_model, strip
from octavo.qat.settings import LayerTraining, TrainingConfig

__all__ = [
    "Annotated",
    "FreezeBatchNorm",
    "LayerTraining",
    "QuantizationAwareModel",
    "TrainingConfig",
    "annotate",
    "apply",
    "quantize_model",
    "strip",
]


def __dir__() -> list[str]:
    return sorted(__all__)
