"""Quantization-aware training on Keras 3.

    qat_model = octavo.qat.quantize_model(model)          # an ordinary keras.Model
    qat_model.compile(...); qat_model.fit(...)
    q = octavo.quantize(qat_model)                        # its own ranges; no data needed

Fake quantization stands exactly where the plan of `octavo.plan` puts integers, so what is trained is what is deployed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from octavo.config import QuantizeConfig
from octavo.errors import InputError
from octavo.load.keras import load_keras
from octavo.plan.make import make_plan
from octavo.plan.types import Plan
from octavo.quantization.assign import Range
from octavo.quantization.weights import largest_magnitude
from octavo.stages import Prepared, Source, calibrated_ranges, prepare, prepare_loaded
from octavo.training.flatten import flatten
from octavo.training.insert import insert_fake_quantization, remove_fake_quantization
from octavo.training.model import QuantizationAwareModel
from octavo.training.settings import TrainingConfig
from octavo.training.weight_sources import limits_as_weights, numbered_elements, weight_quantizers
