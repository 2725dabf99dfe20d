"""How the range of an activation is learned while training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from octavo.dtypes import DType
from octavo.numerics.affine import RANGE_OF_ZEROS
from octavo.numerics.fake_quantization import (
    affine_range,
    fake_quantize,
    quantize_with_ties,
    scale_gradient,
    symmetric_range,
)
from octavo.qat.maths.backend_kernels import fake_quantize_fused
from octavo.qat.maths.replicas import extremes_of_replicas

Observer = Literal["moving_average", "last", "all", "learned"]
OBSERVERS: tuple[Observer, ...] = ("moving_average", "last", "all", "learned")


@keras.saving.register_keras_serializable(package="octavo")
class FakeQuantize(keras.layers.Layer):
    """Fake quantization of a group of activations that share parameters.

    Each observed member is one call, numbered by `site`; the group's range is the union of its sites' ranges, so
    that it does not depend on the order in which members are computed. Ranges move in training only, and not
    while the layer is frozen (`trainable = False`).

    Args:
        tensors: Graph names of the observed members, in the order of their sites.
        integer: "int8" or "int16"; int16 is symmetric.
        observer: "moving_average" of batch extremes (bias-corrected), "last" batch, "all" batches, or "learned"
            by gradient from where a calibration put it.
        momentum: Of the moving average.
        fixed: (scale, zero_point) that a kernel demands; nothing is observed then.
        least, most: What the range contains whatever is observed: 0, and the constants among the group's members.
        narrowest: Width that a narrower range is widened to, upwards, as kernels need it.
        widest: Magnitude that a range is cut at, as what reads the values is flat beyond; None does not cut.
        neglected: By member, how far below the largest along the last axis a value counts for nothing, and the length
            of that axis; a mask of -1e9 is observed as no lower.
    """

    def __init__(
        self,
        tensors: Sequence[str],
        integer: str = "int8",
        observer: Observer = "moving_average",
        momentum: float = 0.99,
        fixed: tuple[float, int] | None = None,
        least: float = 0.0,
        most: float = 0.0,
        narrowest: float = 0.0,
        widest: float | None = None,
        neglected: Mapping[str, tuple[float, int]] | None = None,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype, autocast=False)
        self.tensors, self.integer = list(tensors), integer
        self.observer, self.momentum = observer, momentum
        self.fixed = None if fixed is None else (float(fixed[0]), int(fixed[1]))
        self.least, self.most = min(least, 0.0), max(most, 0.0)
        self.narrowest, self.widest = narrowest, widest
        self.neglected = {member: (depth, length) for member, (depth, length) in (neglected or {}).items()}

    def build(self, input_shape: Any) -> None:
        """Make the range variables, each of shape (sites,)."""
        if self.fixed is None and not hasattr(self, "weight"):
            self.low, self.high = (self._variable(name, self.observer == "learned") for name in ("low", "high"))
            # What the moving averages divide by; 0 until something was observed.
            self.weight = self._variable("weight", trainable=False)
        self.built = True

    def call(self, x: Any, site: int = -1, training: bool | None = None, converts: bool = False) -> Any:
        """Fake-quantize `x` (any shape), after observing it where it is an observed site in training.

        Integers, which a model's inputs may be, become floats. `converts` marks a call where `x` is not made but enters
        a layer of another type.
        """
        if not keras.backend.is_float_dtype(x.dtype):
            x = ops.cast(x, self.compute_dtype)
        quantize = self._quantizer(site, bool(training))
        if self.fixed is not None:
            return quantize(x, *self.fixed)
        observing = training and site >= 0 and self.trainable and self.observer != "learned"
        if observing:
            self._observe(ops.stop_gradient(x), site)
        low, high = self._range(x)
        symmetric = DType(self.integer) is DType.INT16
        parameters = (symmetric_range if symmetric else affine_range)(low, high, DType(self.integer))
        quantized = quantize(x, *parameters)
        if observing or not self.tensors:
            return quantized
        # Quantizing before anything was observed would collapse the tensor to zero.
        return ops.where(ops.min(self.weight.value) > 0, quantized, x)

    def set_range(self, low: Sequence[float], high: Sequence[float]) -> None:
        """Start from known ranges, one pair a site."""
        self.low.assign(low)
        self.high.assign(high)
        self.weight.assign([1.0] * len(self.tensors))

    def real_ranges(self) -> list[tuple[float, float]] | None:
        """(low, high) of each site, or None if one was not observed yet."""
        weight = ops.convert_to_numpy(self.weight)
        if not (weight > 0).all():
            return None
        low, high = ops.convert_to_numpy(self.low) / weight, ops.convert_to_numpy(self.high) / weight
        return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]

    def real_range(self) -> tuple[float, float]:
        """(low, high) of the group, constants counted in, and cut where nothing reads beyond; of known ranges."""
        lows, highs = zip(*(self.real_ranges() or [(0.0, 0.0)]), strict=True)
        widest = np.inf if self.widest is None else self.widest
        return max(min(*lows, self.least), -widest), min(max(*highs, self.most), widest)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        learning = ("tensors", "integer", "observer", "momentum", "fixed")
        own = (*learning, "least", "most", "narrowest", "widest", "neglected")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    def compute_output_spec(self, x: Any, site: int = -1, training: bool | None = None, converts: bool = False) -> Any:
        """A dense float tensor of the input's shape, whatever Keras holds of the input."""
        return keras.KerasTensor(x.shape, x.dtype if keras.backend.is_float_dtype(x.dtype) else self.compute_dtype)

    def _variable(self, name: str, trainable: bool) -> Any:
        shape = (len(self.tensors),)
        # Replicas observe one range together, so their mean is each one's value.
        return self.add_weight(
            name=name,
            shape=shape,
            initializer="zeros",
            dtype="float32",
            trainable=trainable,
            autocast=False,
            aggregation="mean",
        )

    def _range(self, x: Any) -> tuple[Any, Any]:
        if self.tensors:
            weight = ops.where(self.weight.value > 0, self.weight.value, 1.0)
            lows, highs = self.low.value / weight, self.high.value / weight
        else:  # constants alone share the range, such as a table of an embedding, and training moves them
            lows = highs = ops.cast(ops.stop_gradient(x), "float32")
        low, high = ops.minimum(ops.min(lows), self.least), ops.maximum(ops.max(highs), self.most)
        if self.widest is not None:
            low, high = ops.maximum(low, -self.widest), ops.minimum(high, self.widest)
        high = ops.where(high <= low, RANGE_OF_ZEROS[1], ops.maximum(high, low + self.narrowest))  # NaN stays NaN
        if self.observer != "learned":
            return low, high
        # LSQ, section 2.2: a step's gradient sums over all elements, and is scaled down accordingly.
        elements = max(1, _known_elements(x.shape))
        factor = (elements * DType(self.integer).integer_range[1]) ** -0.5
        return scale_gradient(low, factor), scale_gradient(high, factor)

    def _quantizer(self, site: int, training: bool) -> Callable[[Any, Any, Any], Any]:
        """What rounds a tensor, given scale and zero point."""
        if training:
            rounded = fake_quantize if self.observer == "learned" else fake_quantize_fused
        else:
            # What is not observed was computed on this very grid, and averages of steps end in halves.
            rounded = quantize_with_ties if site < 0 and self.fixed is None else fake_quantize

        def quantize(x: Any, scale: Any, zero_point: Any) -> Any:
            return ops.cast(rounded(ops.cast(x, "float32"), scale, zero_point, DType(self.integer)), x.dtype)

        return quantize

    def _observe(self, x: Any, site: int) -> None:
        depth, length = self.neglected.get(self.tensors[site], (None, 0))
        if depth is not None and x.shape[-1] == length:
            x = ops.maximum(x, ops.max(x, axis=-1, keepdims=True) - depth)
        low, high = extremes_of_replicas(ops.cast(ops.min(x), "float32"), ops.cast(ops.max(x), "float32"))
        here = ops.arange(len(self.tensors)) == site
        keep = {"moving_average": self.momentum, "last": 0.0, "all": 0.0}[self.observer]
        if self.observer == "all":
            seen = self.weight.value > 0
            low = ops.where(seen, ops.minimum(self.low.value, low), low)
            high = ops.where(seen, ops.maximum(self.high.value, high), high)
        for variable, value in ((self.low, low), (self.high, high), (self.weight, 1.0)):
            variable.assign(ops.where(here, keep * variable.value + (1.0 - keep) * value, variable.value))


def _known_elements(shape: Sequence[int | None]) -> int:
    """Elements of one sample; unknown dimensions count as 1."""
    count = 1
    for size in shape[1:]:
        count *= size or 1
    return count
