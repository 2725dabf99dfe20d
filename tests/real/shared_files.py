"""The real data and models that lie beside the checkout, and comparisons of answers on them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[3] / "shared"))
# What a module of this folder sets as `pytestmark`.
NEEDS_SHARED = [pytest.mark.real, pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")]


def model_path(name: str) -> Path:
    """A public pretrained model."""
    return SHARED / "models" / name


def array(file: str, name: str) -> np.ndarray:
    """One array of a data file."""
    with np.load(SHARED / "data" / file, allow_pickle=False) as arrays:
        return arrays[name]


def cifar_pixels(count: int) -> np.ndarray:
    """The first lossless images, uint8 [count, 32, 32, 3]."""
    return array("cifar10_train4000_lossless.npz", "x")[:count]


def cifar() -> tuple[np.ndarray, np.ndarray]:
    """The lossless images as ResNet-8 takes them, float32 in 0..255 [4000, 32, 32, 3], and labels [4000]."""
    return cifar_pixels(4000).astype(np.float32), array("cifar10_train4000_lossless.npz", "y").ravel()


def keywords() -> tuple[np.ndarray, np.ndarray]:
    """Features of spoken words, float32 [1000, 49, 10, 1], and labels [1000]."""
    file = "kws01_mfcc.npz"
    integers, scale, zero_point = (array(file, name) for name in ("x_int8", "scale", "zero_point"))
    return (integers.astype(np.float32) - float(zero_point)) * np.float32(scale), array(file, "y").ravel()


def mnist(part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first digits of "train" or "test", float32 in 0..1 [count, 28, 28, 1], and labels [count]."""
    images = array("mnist.npz", f"x_{part}")[:count]
    return (images / np.float32(255))[..., np.newaxis], array("mnist.npz", f"y_{part}")[:count]


def excess_loss(original: np.ndarray, quantized: np.ndarray, labels: np.ndarray, points: float) -> float:
    """By how many standard deviations a quantized model's answers lose more than `points` of accuracy.

    Only samples that one model alone gets right count. If both were equally good, each such sample would fall to either
    side like a coin, so that the difference of n of them has a standard deviation of sqrt(n) (McNemar 1947).

    Args:
        original, quantized: Outputs, one row a sample.
        labels: Class numbers.
        points: Loss of accuracy that is accepted, in percent.
    """
    right, still_right = (outputs.argmax(axis=1) == labels for outputs in (original, quantized))
    lost, gained = np.count_nonzero(right & ~still_right), np.count_nonzero(still_right & ~right)
    return (lost - gained - len(labels) * points / 100) / np.sqrt(max(1, lost + gained))
