"""Operators with one weight as matrix products, for what solves for the weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.ir.types import Shape


@dataclass(frozen=True, slots=True)
class MatrixForm:
    """An operator as products, one for each group of channels: `y[n, g * outputs + o] = rows[g, n] . matrix[g, :, o]`.

    Attributes:
        rows: (options, data, weight's shape, places) -> [groups, rows, inputs]: what a weight is multiplied by, a row
            for each of those places, which number the positions of all samples; only these are gathered.
        matrices: (data's shape, weight) -> [groups, inputs, outputs].
        weight: (matrices, weight's shape) -> the weight; the inverse of `matrices`.
        on_tensors: (`keras.ops`, options, data, weight) -> what the operator makes of Keras tensors, without its bias
            and its activation.
    """

    rows: Callable[[Any, np.ndarray, Shape, slice], np.ndarray]
    matrices: Callable[[Shape, np.ndarray], np.ndarray]
    weight: Callable[[np.ndarray, Shape], np.ndarray]
    on_tensors: Callable[[Any, Any, Any, Any], Any]
