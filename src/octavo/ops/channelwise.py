"""When a call of an operator only scales its channels where those of its operands are scaled.

f(s * x, s * y) = s * f(x, y) for any positive s of one value a channel; the last dimension is that of channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Tensor


def always(options: Options, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator that is linear in positive factors and keeps channels apart."""
    return True


def where_channels_meet_their_own(options: Options, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator that broadcasts: where no operand is broadcast along the channels."""
    return all(tensor is not None and tensor.shape[-1:] == result.shape[-1:] for tensor in inputs.items)


def where_channels_stay(options: Options, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator whose second input is the dimensions it reduces."""
    axes, rank = inputs[1].data, len(inputs[0].shape)
    return axes is not None and not np.isin(np.mod(axes, rank), rank - 1).any()


def where_no_channel_is_added(options: Options, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator that puts zeros around its input."""
    return inputs[0].shape[-1] == result.shape[-1]


def where_rows_of_channels_stay(options: Options, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator that gives another shape: where each row of channels stays whole, or becomes part of a longer one.

    Channels then repeat along the longer dimension.
    """
    shapes = inputs[0].shape, result.shape
    return all(shapes) and max(shape[-1] for shape in shapes) % max(1, min(shape[-1] for shape in shapes)) == 0


def along_channels(options: Any, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator that joins along an axis: where it lays the channels of its operands side by side."""
    return bool(options.axis % len(result.shape) == len(result.shape) - 1)


def where_others_are_joined(options: Any, inputs: Inputs[Tensor], result: Tensor) -> bool:
    """Of an operator that joins along an axis: where that is not the channels'."""
    return not along_channels(options, inputs, result)
