"""Weights in the order in which the C kernels read them."""

from __future__ import annotations

import numpy as np

from octavo.write.c.constants import Scaling

# Depths of a block that stand in one macro of conv_layout.c.
_SIXTEEN = 16


def conv_weights(kernel_ohwi: np.ndarray, groups: int) -> np.ndarray:
    """The blocks of convolutions: channels of each group padded to four, depths to eight.

    Args:
        kernel_ohwi: int8 [out, height, width, in of a group].
        groups: Parts the channels are divided into.

    Returns:
        int8 [blocks, 4, padded depth].
    """
    per_group = kernel_ohwi.reshape(groups, kernel_ohwi.shape[0] // groups, -1)
    padded = np.pad(per_group, [(0, 0), (0, -per_group.shape[1] % 4), (0, -per_group.shape[2] % 8)])
    return padded.reshape(-1, 4, padded.shape[2])


def conv_halves(blocks: np.ndarray) -> np.ndarray:
    """Blocks of weights of four bits, two channels above the two others: int8 [blocks, 2, padded depth]."""
    return _in_a_byte(blocks[:, :2], blocks[:, 2:])


def laid(blocks: np.ndarray, macro: str, first: str = "") -> list[str]:
    """Blocks as calls of the macros of conv_layout.c, which lay them out for the kernel that is compiled.

    Args:
        blocks: int8 [blocks, rows, padded depth].
        macro: What follows "OCTAVO_SIXTEEN" and "OCTAVO_EIGHT" in their names.
        first: Argument in front of the numbers.
    """
    return [
        f"{'OCTAVO_SIXTEEN' if depth + _SIXTEEN <= blocks.shape[2] else 'OCTAVO_EIGHT'}{macro}({first}"
        f"{', '.join(map(str, block[:, depth : depth + _SIXTEEN].ravel()))})"
        for block in blocks
        for depth in range(0, blocks.shape[2], _SIXTEEN)
    ]


def depthwise_weights(kernel_1hwc: np.ndarray) -> np.ndarray:
    """The weights of depthwise.c: int8 [channel, height, width], flat."""
    return np.ascontiguousarray(kernel_1hwc[0].transpose(2, 0, 1)).ravel()


def fours(weights: np.ndarray) -> np.ndarray:
    """Rows of weights as the kernels of sixteen bits read them: int8 [rows, weights, padded to a multiple of four].

    Of each four the third stands before the second.
    """
    padded = np.pad(weights, [(0, 0), (0, -weights.shape[1] % 4)])
    return padded.reshape(len(weights), -1, 4)[:, :, [0, 2, 1, 3]].reshape(padded.shape)


def pairs_of_channels(kernel_ohwi: np.ndarray, groups: int) -> np.ndarray:
    """The weights of conv_16.c: int8 [pairs of channels of a group, fours, 2, 4]; zeros where there is no second."""
    rows = fours(kernel_ohwi.reshape(len(kernel_ohwi), -1))
    by_group = rows.reshape(groups, -1, rows.shape[1])
    padded = np.pad(by_group, [(0, 0), (0, by_group.shape[1] % 2), (0, 0)])
    return padded.reshape(-1, 2, rows.shape[1] // 4, 4).swapaxes(1, 2)


def depthwise_fours(kernel_1hwc: np.ndarray) -> np.ndarray:
    """The weights of depthwise_16.c: int8 [fours of channels, height * width, 4]."""
    taps = fours(kernel_1hwc[0].reshape(-1, kernel_1hwc.shape[3]))
    return taps.reshape(len(taps), -1, 4).swapaxes(0, 1)


def halves(weights: np.ndarray) -> np.ndarray:
    """Weights of four bits, flat, two in a byte, the first in its upper half: `octavo_weight`."""
    pairs = np.pad(weights, (0, weights.size % 2)).reshape(-1, 2)
    return _in_a_byte(pairs[:, 0], pairs[:, 1])


def _in_a_byte(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return ((upper.astype(np.uint8) << 4) | (lower.astype(np.uint8) & 15)).view(np.int8)


def channel_blocks(scaling: Scaling, folded: np.ndarray, groups: int = 1) -> list[list[str]]:
    """`octavo_channels`, one for four channels: four biases, then three numbers a channel; zeros for padded ones.

    Args:
        scaling: Of a layer.
        folded: What comes to the biases where the zero point of the input is not taken off; int64 [channels].
        groups: Parts the channels are divided into.
    """
    bias = scaling.bias.reshape(groups, -1)
    scale = scaling.scale.reshape(groups, -1, 3)
    padding = -bias.shape[1] % 4
    others = _wrapped(scaling.bias + folded).reshape(groups, -1)
    biases, others = (np.pad(each, [(0, 0), (0, padding)]).reshape(-1, 4) for each in (bias, others))
    scales = np.pad(scale, [(0, 0), (0, padding), (0, 0)]).reshape(-1, 12)
    written = [[_bias(*pair) for pair in zip(*rows, strict=True)] for rows in zip(biases, others, strict=True)]
    return [row + list(map(str, rest)) for row, rest in zip(written, scales, strict=True)]


def _bias(value: int, folded: int) -> str:
    return str(value) if value == folded else f"OCTAVO_BIAS({value}, {folded})"


def _wrapped(values: np.ndarray) -> np.ndarray:
    """Values as 32 bits hold them; sums that wrap come back when all is added."""
    return (values + 2**31) % 2**32 - 2**31
