"""Weights in the order in which the C kernels read them."""

from __future__ import annotations

import numpy as np

from octavo.write.c.constants import Scaling


def conv_weights(kernel_ohwi: np.ndarray, groups: int) -> tuple[np.ndarray, int]:
    """The blocks of conv.c: depths padded to eight, channels of each group to four, in the order of its loop.

    Args:
        kernel_ohwi: int8 [out, height, width, in of a group].
        groups: Parts the channels are divided into.

    Returns:
        int8, flat; and the padded depth.
    """
    per_group = kernel_ohwi.reshape(groups, kernel_ohwi.shape[0] // groups, -1)
    depth = -(-per_group.shape[2] // 8) * 8
    padded = np.pad(per_group, [(0, 0), (0, -per_group.shape[1] % 4), (0, depth - per_group.shape[2])])
    blocks = padded.reshape(groups, -1, 2, 2, depth // 4, 2, 2)  # group, block, c / 2, c % 2, e / 4, e / 2 % 2, e % 2
    # Of four depths those of even places come first, each for two channels at a time.
    return np.ascontiguousarray(blocks.transpose(0, 1, 4, 6, 2, 5, 3)).ravel(), depth


def depthwise_weights(kernel_1hwc: np.ndarray) -> np.ndarray:
    """The weights of depthwise.c: int8 [channel, height, width], flat."""
    return np.ascontiguousarray(kernel_1hwc[0].transpose(2, 0, 1)).ravel()


def halves(weights: np.ndarray) -> np.ndarray:
    """Weights of four bits, flat, two in a byte, the first in its upper half: `octavo_weight`."""
    pairs = np.pad(weights, (0, weights.size % 2)).reshape(-1, 2)
    return _in_a_byte(pairs[:, 0], pairs[:, 1])


def conv_halves(arranged: np.ndarray) -> np.ndarray:
    """The blocks of `octavo_conv_rows_4` from those of `conv_weights`: two channels above two others, in four bytes."""
    words = arranged.reshape(-1, 2, 4)
    return _in_a_byte(words[:, 0].ravel(), words[:, 1].ravel())


def conv_words(arranged: np.ndarray) -> np.ndarray:
    """The blocks of `octavo_conv_rows_16` from those of `conv_weights`: int16, both depths of a channel together."""
    return np.ascontiguousarray(arranged.astype(np.int16).reshape(-1, 2, 2).swapaxes(1, 2)).ravel()


def _in_a_byte(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return ((upper.astype(np.uint8) << 4) | (lower.astype(np.uint8) & 15)).view(np.int8)


def channel_blocks(scaling: Scaling, groups: int = 1) -> list[list[int]]:
    """`octavo_channels`, one for four channels: four biases, then three numbers a channel; zeros for padded ones."""
    bias = scaling.bias.reshape(groups, -1)
    scale = scaling.scale.reshape(groups, -1, 3)
    padding = -bias.shape[1] % 4
    biases = np.pad(bias, [(0, 0), (0, padding)]).reshape(-1, 4)
    scales = np.pad(scale, [(0, 0), (0, padding), (0, 0)]).reshape(-1, 12)
    return np.concatenate([biases, scales], axis=1).tolist()
