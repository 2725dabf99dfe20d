"""What a caller can choose of quantization-aware training."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.config import unknown_name
from octavo.training.observer import OBSERVERS, Observer
from octavo.training.quantized_layer import WEIGHT_OBSERVERS, WeightObserver


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How ranges are found while training.

    Attributes:
        activations: Observer of activation ranges; "learned" needs a calibration to start from.
        weights: Observer of weight ranges.
        momentum: Of moving averages.
    """

    activations: Observer = "moving_average"
    weights: WeightObserver = "current"
    momentum: float = 0.99

    def __post_init__(self) -> None:
        if self.activations not in OBSERVERS:
            raise unknown_name("activation observer", self.activations, OBSERVERS)
        if self.weights not in WEIGHT_OBSERVERS:
            raise unknown_name("weight observer", self.weights, WEIGHT_OBSERVERS)
