"""What a model says of the values it was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Statistics of a tensor over the training data, as a layer that normalizes by them keeps them.

    Attributes:
        tensor: The tensor, channels last.
        layer: The layer.
        mean, variance: float64, of each channel, or one for all; broadcast against the tensor's last dimensions.
    """

    tensor: str
    layer: str
    mean: np.ndarray
    variance: np.ndarray
