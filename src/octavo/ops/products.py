"""How many products operators add up: the multiply-accumulates that papers and vendors count, borders included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from octavo.ir.inputs import Inputs
from octavo.ir.types import Tensor

Products = Callable[[Any, Inputs[Tensor], Sequence[Tensor]], int]


def none(options: Any, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """Of operators that add up no products."""
    return 0


def of_results(channel_axis: int) -> Products:
    """A value of the result is a sum over the weights of its channel, which are input 1."""

    def products(options: Any, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
        weights = inputs[1]
        return outputs[0].size * (weights.size // weights.shape[channel_axis])

    return products


def of_operands(data: int, weights: int, channel_axis: int) -> Products:
    """A value of the operand `data` is multiplied with all weights of its channel."""

    def products(options: Any, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
        return inputs[data].size * (inputs[weights].size // inputs[weights].shape[channel_axis])

    return products
