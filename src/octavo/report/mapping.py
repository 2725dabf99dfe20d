"""What mapping one layer's range to integers does, in numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Quantization
from octavo.numerics.affine import dequantize, quantize, representable


@dataclass(frozen=True, slots=True, eq=False)
class LayerMapping:
    """The values of a layer and the integers that stand for them.

    Attributes:
        layer: The layer, as the user named it.
        dtype: Integer type.
        parameters: Per-tensor scale and zero point.
        values: float32, 1-D, sorted, distinct: what the layer really computed.
        integers: Same shape: what stands for each.
        merged: The two values furthest apart that one integer stands for.
    """

    layer: str
    dtype: DType
    parameters: Quantization
    values: np.ndarray
    integers: np.ndarray
    merged: tuple[float, float]

    @property
    def scale(self) -> float:
        """Real distance between neighbouring integers."""
        return float(self.parameters.scale[0])

    @property
    def zero_point(self) -> int:
        """The integer that stands for 0.0."""
        return int(self.parameters.zero_point[0])

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest real value the integers can stand for."""
        return representable(self.parameters, self.dtype)

    @property
    def merged_integer(self) -> int:
        """The integer that stands for both `merged` values."""
        return int(quantize(np.array(self.merged[0], np.float32), self.parameters, self.dtype))

    @property
    def read_back(self) -> float:
        """The real value `merged_integer` is read back as."""
        return float(dequantize(np.array(self.merged_integer), self.parameters))

    @property
    def decimals(self) -> int:
        """Decimals that show the `merged` values apart, yet no further than a step."""
        least = max(2, 1 - math.floor(math.log10(self.scale)))
        first, second = self.merged
        wanted = (n for n in range(least, least + 3) if 0 < round(second, n) - round(first, n) <= self.scale)
        return next(wanted, least + 3)

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        low, high = self.range
        return {
            "layer": self.layer,
            "dtype": self.dtype.value,
            "low": low,
            "high": high,
            "scale": self.scale,
            "zero_point": self.zero_point,
            "merged": self.merged,
            "merged_integer": self.merged_integer,
            "read_back": self.read_back,
        }


def map_layer(layer: str, values: np.ndarray, parameters: Quantization, dtype: DType) -> LayerMapping:
    """Look at a layer's values through its quantization.

    Args:
        layer: The layer's name.
        values: float, any shape: what the layer computed on real data.
        parameters: Per-tensor parameters of its output.
        dtype: Integer type of its output.
    """
    distinct = np.unique(np.asarray(values, np.float32))
    integers = quantize(distinct, parameters, dtype)
    return LayerMapping(layer, dtype, parameters, distinct, integers, _widest_merge(distinct, integers, dtype))


def _widest_merge(values: np.ndarray, integers: np.ndarray, dtype: DType) -> tuple[float, float]:
    """The two of the sorted `values` furthest apart that share an integer; saturated ends do not count."""
    levels, first, count = np.unique(integers, return_index=True, return_counts=True)
    low, high = values[first], values[first + count - 1]
    spread = np.where(np.isin(levels, dtype.integer_range), -1.0, high - low)
    best = int(np.argmax(spread))
    return float(low[best]), float(high[best])


def in_words(mapping: LayerMapping) -> str:
    """A paragraph for a reader who has never seen a scale or a zero point."""
    low, high = mapping.range
    smallest, largest = mapping.dtype.integer_range
    first, second = (f"{value:.{mapping.decimals}f}" for value in mapping.merged)
    return (
        f"On real data the layer '{mapping.layer}' computes values from {mapping.values[0]:.2f} to "
        f"{mapping.values[-1]:.2f}. {mapping.dtype.value} has {largest - smallest + 1} levels: {low:.2f} becomes "
        f"{smallest}, {high:.2f} becomes {largest}, 0.0 becomes exactly {mapping.zero_point}, and one step is worth "
        f"{mapping.scale:.4g}. "
        f"Between two steps nothing survives: {first} and {second} both become {mapping.merged_integer}, "
        f"which is read back as {mapping.read_back:.{mapping.decimals}f}. "
        "Each value is off by at most half a step; where two classes lie closer, the answer can change."
    )
