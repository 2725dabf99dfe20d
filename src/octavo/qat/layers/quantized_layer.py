"""Run any Keras layer on fake-quantized weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import keras
import numpy as np
from keras import ops

from octavo.dtypes import DType
from octavo.numerics.fake_quantization import fake_quantize_weight, scale_gradient
from octavo.qat.layers.live_constant import LiveConstant, batch_norm_affine, variables_of
from octavo.qat.layers.neighbours import Around, Neighbours

WeightObserver = Literal["current", "learned"]
WEIGHT_OBSERVERS: tuple[WeightObserver, ...] = ("current", "learned")
# Of a channel that a normalization switches off: it folds to zero and has nothing to quantize.
SMALLEST_FACTOR = 1e-12


@dataclass(frozen=True, slots=True)
class Factor:
    """What folding multiplies a weight by: a constant of a neighbour, such as a batch normalization.

    Attributes:
        layer: Name of the layer the constant belongs to; "" for a number of the code.
        constant: The constant.
        index: Which of its elements meets which of the weight's, broadcast against the weight's variable.
        inverse: Whether it divides.
    """

    layer: str
    constant: LiveConstant
    index: np.ndarray
    inverse: bool = False

    def of(self, layer: Any) -> Any:
        """Its present value, broadcast against the variable; no gradient."""
        batch_norm = batch_norm_affine(layer) if self.constant.kind in ("scale", "offset") else None
        value = ops.take(ops.reshape(self.constant.of(layer, batch_norm), (-1,)), self.index)
        value = ops.stop_gradient(ops.cast(value, "float32"))
        value = ops.where(ops.abs(value) > SMALLEST_FACTOR, value, 1.0)
        return 1.0 / value if self.inverse else value

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a layer's config."""
        own = {"layer": self.layer, "index": self.index.tolist(), "inverse": self.inverse}
        return {**own, "constant": self.constant.to_dict()}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        constant = LiveConstant.from_dict(plain["constant"])
        return cls(**{**plain, "constant": constant, "index": np.array(plain["index"], np.int32)})


@dataclass(frozen=True, slots=True)
class WeightQuantizer:
    """How one variable of a layer is fake-quantized.

    Attributes:
        variable: The variable's path below its layer, e.g. "kernel".
        tensor: The weight's name in the graph.
        integer: "int8" or "int4".
        axes: Dimensions of the variable that share one scale; all of them for a per-tensor scale.
        observer: "current" takes the largest magnitude at each step, "learned" trains the limit by gradient.
        factors: What folding multiplies the weight by, where that changes what is rounded to what: it is then
            quantized as folded. Factors that are one for all that share a scale commute with rounding and are left out.
    """

    variable: str
    tensor: str
    integer: str
    axes: tuple[int, ...]
    observer: WeightObserver = "current"
    factors: tuple[Factor, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a layer's config."""
        plain = {name: getattr(self, name) for name in ("variable", "tensor", "integer", "observer")}
        return {**plain, "axes": list(self.axes), "factors": [factor.to_dict() for factor in self.factors]}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        factors = tuple(Factor.from_dict(factor) for factor in plain["factors"])
        return cls(**{**plain, "axes": tuple(plain["axes"]), "factors": factors})


@keras.saving.register_keras_serializable(package="octavo")
class QuantizedLayer(Around):
    """A layer that is called on fake-quantized weights; variables and gradients stay the layer's own.

    The call runs inside a scope that maps each variable of the layer to its value, and the quantized ones to their
    fake-quantized values, so the layer's class does not matter.

    Args:
        layer: The layer to run.
        weights: What to quantize.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        weights: Sequence[WeightQuantizer],
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name or layer.name, trainable=trainable, dtype=dtype or layer.dtype_policy)
        self.layer = layer
        self.weight_quantizers = tuple(weights)
        self.neighbours = Neighbours(factor.layer for each in weights for factor in each.factors if factor.layer)
        self.limits: list[Any] = []

    @property
    def around(self) -> Any:
        """The user's layer."""
        return self.layer

    def build(self, input_shape: Any) -> None:
        """Build the layer, and a limit for each quantizer that learns one."""
        if not self.layer.built:
            self.layer.build(input_shape)
        variables = dict(variables_of(self.layer))
        for quantizer in self.weight_quantizers if not self.limits else ():
            if quantizer.observer == "learned":
                axes = enumerate(variables[quantizer.variable].shape)
                shape = [1 if axis in quantizer.axes else size for axis, size in axes]
                name = quantizer.variable.replace("/", "_") + "_limit"
                limit = self.add_weight(name=name, shape=shape, initializer="ones", dtype="float32", autocast=False)
                self.limits.append(limit)
        self.built = True

    def call(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Call the layer on its fake-quantized weights."""
        rounded = self.rounded_weights()
        values = [(variable, rounded.get(path, variable.value)) for path, variable in variables_of(self.layer)]
        if self.layer._call_has_training_arg:
            kwargs["training"] = training
        with keras.StatelessScope(state_mapping=values):
            return self.layer(*args, **kwargs)

    def rounded_weights(self) -> dict[str, Any]:
        """The fake-quantized value of each quantized variable, by its path below the layer."""
        variables, limits = dict(variables_of(self.layer)), dict(self.learned_limits())
        return {q.variable: self._quantize(variables[q.variable], q, limits) for q in self.weight_quantizers}

    def start_limits(self) -> None:
        """Let the learned limits begin at the largest magnitudes of the weights."""
        variables = dict(variables_of(self.layer))
        quantizers = {quantizer.variable: quantizer for quantizer in self.weight_quantizers}
        for path, limit in self.learned_limits():
            value = ops.cast(variables[path].value, "float32")
            limit.assign(_magnitude(value * self._factor(quantizers[path]), quantizers[path]))

    def learned_limits(self) -> Iterator[tuple[str, Any]]:
        """(variable path, limit) of each quantizer that learns one."""
        learned = [quantizer.variable for quantizer in self.weight_quantizers if quantizer.observer == "learned"]
        yield from zip(learned, self.limits, strict=True)

    def unfolded_limits(self) -> Iterator[tuple[Any, np.ndarray]]:
        """(variable, magnitude) of each learned limit: what folding makes the limit of, broadcast to the variable."""
        variables = dict(variables_of(self.layer))
        quantizers = {quantizer.variable: quantizer for quantizer in self.weight_quantizers}
        for path, limit in self.learned_limits():
            yield variables[path], ops.convert_to_numpy(ops.abs(limit.value / self._factor(quantizers[path])))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        layer = keras.saving.serialize_keras_object(self.layer)
        weights = [quantizer.to_dict() for quantizer in self.weight_quantizers]
        return {**super().get_config(), "layer": layer, "weights": weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizedLayer:
        """The inverse of `get_config`."""
        restored = {key: keras.saving.deserialize_keras_object(config[key]) for key in ("layer", "dtype")}
        weights = [WeightQuantizer.from_dict(weight) for weight in config["weights"]]
        return cls(**{**config, **restored, "weights": weights})

    def _quantize(self, variable: Any, quantizer: WeightQuantizer, limits: dict[str, Any]) -> Any:
        value, dtype = ops.cast(variable.value, "float32"), DType(quantizer.integer)
        factor = self._factor(quantizer) if quantizer.factors else None
        folded = value if factor is None else value * factor
        if quantizer.observer == "learned":
            limit = limits[quantizer.variable]
            # LSQ, section 2.2: a step's gradient sums over all weights that share it, and is scaled down accordingly.
            sharing = max(1, int(np.prod(variable.shape)) // int(np.prod(limit.shape)))
            magnitude = ops.abs(scale_gradient(limit.value, (sharing * dtype.integer_range[1]) ** -0.5))
        else:
            magnitude = _magnitude(folded, quantizer)
        rounded = fake_quantize_weight(folded, magnitude, dtype)
        return ops.cast(rounded if factor is None else rounded / factor, variable.dtype)

    def _factor(self, quantizer: WeightQuantizer) -> Any:
        """The product of a quantizer's factors; those of layers come in when the layer is part of a model."""
        product: Any = 1.0
        for factor in quantizer.factors:
            if not factor.layer or factor.layer in self.neighbours.layers:
                product = product * factor.of(self.neighbours.layers.get(factor.layer))
        return product


def _magnitude(value: Any, quantizer: WeightQuantizer) -> Any:
    """Largest magnitude over the axes that share a scale, kept as dimensions of 1; no gradient."""
    return ops.stop_gradient(ops.max(ops.abs(value), axis=quantizer.axes, keepdims=True))
