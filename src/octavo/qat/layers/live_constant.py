"""The constants of a graph as they are while the model trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import keras
import numpy as np
from keras import ops

from octavo.dtypes import DType
from octavo.numerics.fake_quantization import affine_range, fake_quantize, symmetric_range

Kind = Literal["value", "variable", "given", "scale", "offset"]


@dataclass(frozen=True, slots=True)
class LiveConstant:
    """One constant.

    Attributes:
        kind: "value" never changes; "variable" is a layer's variable; "given" is a tensor the call takes; "scale" and
            "offset" are what a batch normalization multiplies by and adds.
        value: Of kind "value".
        variable: Path of the variable below its layer, of kind "variable".
        shape: Its shape in the graph.
        integer: Type it is rounded to, on the grid of its own range; "" where it is not.
    """

    kind: Kind
    value: np.ndarray | None = None
    variable: str = ""
    shape: tuple[int, ...] = ()
    integer: str = ""

    def of(self, layer: Any, batch_norm: tuple[Any, Any] | None = None, given: Any = None) -> Any:
        """Its present value, fake-quantized where it is rounded.

        Args:
            layer: The layer it belongs to; unused for kind "value".
            batch_norm: The scale and offset of `batch_norm_affine`, for the kinds of these names.
            given: The tensor, for the kind of this name.
        """
        if self.kind == "value":
            return self.value
        if self.kind == "given":
            value = ops.cast(given, "float32")
            # What is the same for every sample may come once for each.
            value = value if value.shape[1:] == self.shape[1:] else ops.reshape(value, self.shape)
        elif self.kind == "variable":
            value = ops.reshape(ops.cast(dict(variables_of(layer))[self.variable].value, "float32"), self.shape)
        else:
            assert batch_norm is not None
            value = batch_norm[self.kind == "offset"]
            value = ops.reshape(value, self.shape) if self.shape else value
        if not self.integer:
            return value
        dtype = DType(self.integer)
        convert = symmetric_range if dtype is DType.INT16 else affine_range
        return fake_quantize(value, *convert(ops.min(value), ops.max(value), dtype), dtype)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a layer's config."""
        value = None if self.value is None else {"dtype": self.value.dtype.name, "values": self.value.tolist()}
        plain = {"kind": self.kind, "variable": self.variable, "shape": list(self.shape), "integer": self.integer}
        return {**plain, "value": value}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        stored = plain["value"]
        value = None if stored is None else np.array(stored["values"], stored["dtype"])
        return cls(**{**plain, "value": value, "shape": tuple(plain["shape"])})


def variables_of(layer: keras.layers.Layer) -> list[tuple[str, Any]]:
    """(path below the layer, variable) of each variable of a layer."""
    return [(variable.path.removeprefix(f"{layer.path}/"), variable) for variable in layer.variables]


def batch_norm_affine(layer: Any, x: Any = None, *, training: bool = False) -> tuple[Any, Any]:
    """(scale, offset), shape (channels,), by which a batch normalization computes `x * scale + offset`.

    In training they follow from the batch, and the moving statistics move, as in the layer's own call (a layer's
    `renorm` is not applied); else, and while the layer is frozen, they follow from the moving statistics.
    """
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    if training and layer.trainable:
        axes = [axis for axis in range(len(x.shape)) if axis != layer.axis % len(x.shape)]
        mean, variance = ops.moments(ops.cast(x, "float32"), axes, synchronized=layer.synchronized)
        for variable, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            variable.assign(variable.value * layer.momentum + value * (1.0 - layer.momentum))
    scale = ops.rsqrt(variance + layer.epsilon)
    scale = scale * layer.gamma.value if layer.scale else scale
    return scale, (layer.beta.value if layer.center else 0.0) - mean * scale
