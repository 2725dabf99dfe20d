"""What element-by-element kernels share: numpy functions as float kernels, and one product as an integer kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Tensor
from octavo.numerics.fixed_point import Multiplier
from octavo.ops.fused import Output
from octavo.ops.spec import FloatKernel


def applies(function: Callable[..., np.ndarray]) -> FloatKernel:
    """The float kernel of a function of the inputs' arrays."""

    def run(options: Options, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
        return (function(*inputs),)

    return run


@dataclass(frozen=True, slots=True)
class Rescale:
    """One number in steps of the input, multiplied and stored.

    Attributes:
        input_offset: Added to the input's integers: minus their zero point.
        multiplier: That number in steps of the output.
        output: How results are stored.
    """

    input_offset: int
    multiplier: Multiplier
    output: Output


def run_rescale(constants: Rescale, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The input in steps of the output."""
    return (constants.output.stored(constants.multiplier.times(from_zero(arrays[0], constants.input_offset))),)


def from_zero(values: np.ndarray, input_offset: int) -> np.ndarray:
    """`values - zero_point` in int64: steps of their scale."""
    return values.astype(np.int64) + input_offset


def rescaling(x: Tensor, output: Tensor, factor: float = 1.0) -> Multiplier:
    """Steps of x, times `factor`, in steps of `output`; the ratio of scales is computed in double."""
    return Multiplier.of(x.scale * float(np.float32(factor)) / output.scale)
