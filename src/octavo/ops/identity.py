"""When a call of an operator returns what it was given."""

from __future__ import annotations

import numpy as np

from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Tensor


def never(options: Options, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator that computes something in every call."""
    return False


def where_the_shape_stays(options: Options, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator that can change nothing but the shape or the border."""
    return inputs[0].shape == result.shape


def where_nothing_is_permuted(options: Options, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator whose second input is a permutation of the dimensions."""
    permutation = inputs[1]
    return permutation.data is not None and bool((permutation.data == np.arange(permutation.size)).all())
