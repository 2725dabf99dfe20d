"""Biases as integers at the accumulator's scale: `scale[c] = input_scale * weight_scale[c]`, zero point 0.

Source: LiteRT 8-bit quantization specification, CONV_2D and FULLY_CONNECTED bias rows.
"""

from __future__ import annotations

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import PerAxis, PerTensor, Quantization
from octavo.numerics.affine import round_half_away


def quantize_bias(
    values: np.ndarray, data: Quantization, weight: Quantization, dtype: DType
) -> tuple[np.ndarray, Quantization]:
    """Quantize a bias.

    Args:
        values: float32, shape (channels,).
        data: Parameters of the layer's input.
        weight: Parameters of its weights; a per-axis weight makes a per-axis bias along axis 0.
        dtype: INT32, or INT64 for 16x8.

    Returns:
        Integers that saturate at the type's range, and their parameters.
    """
    granularity = PerAxis(0) if isinstance(weight.granularity, PerAxis) else PerTensor()
    scale = np.float64(data.scale[0]) * weight.scale.astype(np.float64)
    low, high = DType.INT32.integer_range
    steps = round_half_away(np.clip(values.astype(np.float64) / scale, low, high))
    return steps.astype(dtype.numpy), Quantization(scale, np.zeros(len(scale), np.int64), granularity)
