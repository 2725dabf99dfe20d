"""Run any Keras layer on fake-quantized weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import keras
from keras import ops

from octavo.dtypes import DType
from octavo.training.fake_quantize import fake_quantize_weight, scale_gradient

WeightObserver = Literal["current", "learned"]
WEIGHT_OBSERVERS: tuple[WeightObserver, ...] = ("current", "learned")


@dataclass(frozen=True, slots=True)
class WeightQuantizer:
    """How one variable of a layer is fake-quantized.

    Attributes:
        variable: The variable's path below its layer, e.g. "kernel".
        tensor: The weight's name in the graph.
        integer: "int8" or "int4".
        axes: Dimensions of the variable that share one scale; all of them for a per-tensor scale.
        observer: "current" takes the largest magnitude at each step, "learned" trains the limit by gradient.
    """

    variable: str
    tensor: str
    integer: str
    axes: tuple[int, ...]
    observer: WeightObserver = "current"


@keras.saving.register_keras_serializable(package="octavo")
class QuantizedLayer(keras.layers.Layer):
    """A layer that is called on fake-quantized weights; variables and gradients stay the layer's own.

    The call runs inside a scope that maps each variable of the layer to its value, and the quantized ones to their
    fake-quantized values, so the layer's class does not matter.

    Args:
        layer: The layer to run.
        weights: What to quantize.
        batch_norm: The batch normalization that follows and is folded into the weights at export, if they have
            one scale per tensor: they are then quantized as folded, by the moving statistics. Per-axis scales
            commute with the fold and need it not.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        weights: Sequence[WeightQuantizer],
        batch_norm: keras.layers.Layer | None = None,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name or layer.name, trainable=trainable, dtype=dtype or layer.dtype_policy)
        self.layer, self.batch_norm = layer, batch_norm
        self.quantizers = tuple(weights)
        self.limits: list[Any] = []

    def build(self, input_shape: Any) -> None:
        """Build the layer, and a limit for each quantizer that learns one."""
        if not self.layer.built:
            self.layer.build(input_shape)
        if self.batch_norm is not None and not self.batch_norm.built:
            self.batch_norm.build(self.layer.compute_output_shape(input_shape))
        variables = dict(variables_of(self.layer))
        for quantizer in self.quantizers if not self.limits else ():
            if quantizer.observer == "learned":
                start = _magnitude(variables[quantizer.variable], quantizer)
                name = quantizer.variable.replace("/", "_") + "_limit"
                self.limits.append(self.add_weight(name=name, shape=start.shape, initializer="ones"))
                self.limits[-1].assign(start)
        self.built = True

    def call(self, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Call the layer on its fake-quantized weights, then the batch normalization it absorbed."""
        variables = dict(variables_of(self.layer))
        limits = dict(self.learned_limits())
        quantized = {q.variable: self._quantize(variables[q.variable], q, limits) for q in self.quantizers}
        values = [(variable, quantized.get(path, variable.value)) for path, variable in variables.items()]
        if self.layer._call_has_training_arg:
            kwargs["training"] = training
        with keras.StatelessScope(state_mapping=values):
            result = self.layer(*args, **kwargs)
        return result if self.batch_norm is None else self.batch_norm(result, training=training)

    def learned_limits(self) -> Iterator[tuple[str, Any]]:
        """(variable path, limit) of each quantizer that learns one."""
        learned = [quantizer.variable for quantizer in self.quantizers if quantizer.observer == "learned"]
        yield from zip(learned, self.limits, strict=True)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        layers = {
            "layer": keras.saving.serialize_keras_object(self.layer),
            "batch_norm": keras.saving.serialize_keras_object(self.batch_norm),
        }
        return {**super().get_config(), **layers, "weights": [asdict(quantizer) for quantizer in self.quantizers]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantizedLayer:
        """The inverse of `get_config`."""
        config = dict(config)
        for key in ("layer", "batch_norm", "dtype"):
            config[key] = keras.saving.deserialize_keras_object(config[key])
        config["weights"] = [
            WeightQuantizer(**{**weight, "axes": tuple(weight["axes"])}) for weight in config["weights"]
        ]
        return cls(**config)

    def _quantize(self, variable: Any, quantizer: WeightQuantizer, limits: dict[str, Any]) -> Any:
        value = ops.cast(variable.value, "float32")
        factor = self._fold_factor(value)
        value = value * factor
        if quantizer.observer == "learned":
            count = max(1, value.size if hasattr(value, "size") and isinstance(value.size, int) else 1)
            limit = limits[quantizer.variable]
            limit = ops.abs(scale_gradient(limit.value, (count * DType(quantizer.integer).integer_range[1]) ** -0.5))
        else:
            limit = _magnitude(value, quantizer)
        return ops.cast(fake_quantize_weight(value, limit, DType(quantizer.integer)) / factor, variable.dtype)

    def _fold_factor(self, value: Any) -> Any:
        """What folding multiplies the weights by, broadcast against them (output channels last); 1 without a fold."""
        if self.batch_norm is None:
            return 1.0
        norm = self.batch_norm
        factor = ops.rsqrt(norm.moving_variance + norm.epsilon) * (norm.gamma if norm.scale else 1.0)
        # A channel that the normalization switches off folds to zero and has nothing to quantize.
        return ops.stop_gradient(ops.where(ops.abs(factor) > 1e-12, factor, 1.0))


def variables_of(layer: keras.layers.Layer) -> Iterator[tuple[str, Any]]:
    """(path below the layer, variable) of each variable of a layer."""
    for variable in layer.variables:
        yield variable.path.removeprefix(f"{layer.path}/"), variable


def _magnitude(value: Any, quantizer: WeightQuantizer) -> Any:
    """Largest magnitude over the axes that share a scale, kept as dimensions of 1; no gradient."""
    return ops.stop_gradient(ops.max(ops.abs(value), axis=quantizer.axes, keepdims=True))
