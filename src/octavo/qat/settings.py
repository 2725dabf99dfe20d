"""What a caller can choose of quantization-aware training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from octavo.config import unknown_name
from octavo.plan.make import matches
from octavo.qat.layers.fake_quantize import OBSERVERS, Observer
from octavo.qat.layers.quantized_layer import WEIGHT_OBSERVERS, WeightObserver


@dataclass(frozen=True, slots=True)
class LayerTraining:
    """What is different for some layers.

    Attributes:
        pattern: Layer name or shell pattern.
        activations: Observer of the ranges of their results; None takes the configuration's.
        weights: Observer of their weights' ranges; likewise.
    """

    pattern: str
    activations: Observer | None = None
    weights: WeightObserver | None = None


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How ranges are found while training.

    Attributes:
        activations: Observer of activation ranges; "learned" needs a calibration to start from.
        weights: Observer of weight ranges.
        momentum: Of moving averages.
        layers: What is different for some layers; the first that fits a layer counts. Tensors that share parameters
            are observed as the first of them in the model.
    """

    activations: Observer = "moving_average"
    weights: WeightObserver = "current"
    momentum: float = 0.99
    layers: tuple[LayerTraining, ...] = ()

    def __post_init__(self) -> None:
        for activations, weights in self._choices():
            if activations not in OBSERVERS:
                raise unknown_name("activation observer", activations, OBSERVERS)
            if weights not in WEIGHT_OBSERVERS:
                raise unknown_name("weight observer", weights, WEIGHT_OBSERVERS)

    @property
    def learns_activations(self) -> bool:
        """Whether some activation range is learned by gradient."""
        return any(activations == "learned" for activations, _ in self._choices())

    def activations_of(self, layer: str) -> Observer:
        """Observer of a layer's results."""
        own = self._own(layer)
        return self.activations if own is None or own.activations is None else own.activations

    def weights_of(self, layer: str) -> WeightObserver:
        """Observer of a layer's weights."""
        own = self._own(layer)
        return self.weights if own is None or own.weights is None else own.weights

    def _own(self, layer: str) -> LayerTraining | None:
        return next((own for own in self.layers if matches(layer, (own.pattern,))), None)

    def _choices(self) -> Iterator[tuple[Observer, WeightObserver]]:
        yield self.activations, self.weights
        yield from ((own.activations or self.activations, own.weights or self.weights) for own in self.layers)
