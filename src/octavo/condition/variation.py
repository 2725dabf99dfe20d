"""Samples made of others, which a network answers likewise in float: what some hundred do not show, these do.

Source: Asano and Saeed 2023, "The Augmented Image Prior: Distilling 1000 Classes by Extrapolating from a Single
Image"; Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octavo.condition.samples import Values
from octavo.ir.samples import stacked

# The smallest part of an image's sides that is cut out and enlarged.
SMALLEST_CUT = 0.6
# How much of another sample is mixed in at most, and into what share of them.
MOST_MIXED, MIXED = 0.5, 0.5
# Images have that many rows and columns at least.
SMALLEST_IMAGE = 16


def varied(batch: Sequence[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """Other samples than those of a batch: images are cut and mirrored, and real numbers mixed with other samples'.

    Args:
        batch: Of each input of a network some samples, float or integer, [n, ...]; not changed.
        random: What is drawn.

    Returns:
        As many samples of the same shapes and types; integers as they were, and all inputs mixed alike.
    """
    count = len(batch[0])
    images = [_cut(each, random) if _is_images(each) else each for each in batch]
    if any(each.dtype.kind != "f" for each in batch):
        return images
    share = np.where(random.random(count) < MIXED, random.random(count) * MOST_MIXED, 0.0).astype(np.float32)
    others = random.permutation(count)
    return [_mixed(each, each[others], share) for each in images]


def with_variations(
    samples: Sequence[Values], inputs: Sequence[str], count: int, seed: int
) -> list[dict[str, np.ndarray]]:
    """`count` samples: as many as there are of these first, then variations of all of them, round after round."""
    made, random = [dict(sample) for sample in samples], np.random.default_rng(seed)
    arrays = list(stacked(samples, inputs).values())
    while len(made) < count:
        rows = zip(*varied([each[: count - len(made)] for each in arrays], random), strict=True)
        made += (
            {name: row.reshape(samples[0][name].shape) for name, row in zip(inputs, each, strict=True)} for each in rows
        )
    return made[:count]


def _is_images(samples: np.ndarray) -> bool:
    """Whether samples are images, and no spectrograms: of colours, or as high as wide."""
    if samples.ndim != 4 or samples.dtype.kind != "f" or min(samples.shape[1:3]) < SMALLEST_IMAGE:
        return False
    _, height, width, channels = samples.shape
    return channels in (3, 4) or (channels == 1 and height == width)


def _mixed(samples: np.ndarray, others: np.ndarray, share: np.ndarray) -> np.ndarray:
    weight = share.reshape(-1, *(1,) * (samples.ndim - 1))
    return (samples * (1 - weight) + others * weight).astype(samples.dtype)


def _cut(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A part of each image, enlarged to its size by linear interpolation, half of them mirrored."""
    made = np.empty_like(images)
    for i, image in enumerate(images):
        side, mirrored = random.uniform(SMALLEST_CUT, 1.0), random.random() < 0.5
        rows, columns = (_resampled(size, side, random.random()) for size in image.shape[:2])
        made[i] = _interpolated(_interpolated(image, rows, 0), columns[::-1] if mirrored else columns, 1)
    return made


def _resampled(size: int, share: float, place: float) -> np.ndarray:
    """Where the `size` new pixels lie, in old ones, of a part that begins at a share of the room there is."""
    return (np.arange(size) + 0.5) * share + place * (1 - share) * size - 0.5


def _interpolated(image: np.ndarray, places: np.ndarray, axis: int) -> np.ndarray:
    places = np.clip(places, 0, image.shape[axis] - 1)
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, image.shape[axis] - 1)
    weight = (places - before).astype(image.dtype).reshape(-1, *(1,) * (image.ndim - 1 - axis))
    return np.take(image, before, axis) * (1 - weight) + np.take(image, after, axis) * weight
