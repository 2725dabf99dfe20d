"""Faults planted in trained networks, each with the layers and the cause that diagnosis must name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from planted import Planted, edit
from trained_networks import network, split

from octavo.config import LayerConfig

layers = keras.layers


@dataclass(frozen=True)
class Given:
    """A network as it is trained, and its data: what a fault is planted in."""

    model: Any
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Fault:
    """What is done to a network or its data.

    Attributes:
        network, layers, cause: Where it is planted, and what must be named.
        plant: Gives the model and the data to calibrate on.
        options: Of `octavo.diagnose`.
    """

    network: str
    layers: tuple[str, ...]
    cause: str
    plant: Callable[[Given], tuple[Any, np.ndarray]]
    options: Mapping[str, Any] = field(default_factory=dict)


def made(fault: Fault) -> Planted:
    """The network with its fault."""
    x, y, test = split(fault.network)
    model, data = fault.plant(Given(network(fault.network), x, y))
    return Planted(fault.cause, fault.layers, model, data, test, fault.options)


def of_model(*changes: tuple[str, Callable[..., Any]]) -> Callable[[Given], tuple[Any, np.ndarray]]:
    """Weights of layers changed, by layer."""

    def plant(given: Given) -> tuple[Any, np.ndarray]:
        for layer, change in changes:
            edit(given.model, layer, lambda *own, change=change: change(*(each.copy() for each in own)))
        return given.model, given.x

    return plant


def of_data(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[Given], tuple[Any, np.ndarray]]:
    """Calibration data changed, of samples and labels."""
    return lambda given: (given.model, change(given.x, given.y).astype(np.float32))


def only(channel: int, count: int, factor: float) -> np.ndarray:
    """A factor of one channel."""
    return np.where(np.arange(count) == channel, factor, 1.0)


def results(factors: np.ndarray) -> Callable[..., Any]:
    """Every constant of a layer times a factor of its channel."""
    return lambda *own: [each * factors for each in own]


def operands(factors: np.ndarray) -> Callable[..., Any]:
    """A layer's weights times a factor of the channel they are read by."""
    return lambda kernel, *bias: [kernel * factors[:, np.newaxis], *bias]


def normalized(factors: np.ndarray) -> Callable[..., Any]:
    """What batch normalization gives times a factor of its channel."""
    return lambda gamma, beta, mean, variance: [gamma * factors, beta * factors, mean, variance]


def far(index: Any, times: float) -> Callable[..., Any]:
    """Weights far beyond the others."""

    def change(kernel: np.ndarray, *bias: np.ndarray) -> list[np.ndarray]:
        kernel[index] = times * kernel.std()
        return [kernel, *bias]

    return change


def biased(offset: np.ndarray | float) -> Callable[..., Any]:
    """Something added to a bias."""
    return lambda kernel, bias: [kernel, bias + offset]


def gated(given: Given) -> tuple[Any, np.ndarray]:
    """Sigmoids that stay far below one."""
    gate = layers.Activation("sigmoid", name="gate")(given.model.output * 0.3 - 7)
    return keras.Model(given.model.input, gate, name="gated"), given.x


def far_samples(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Three samples far too large."""
    return np.where(np.isin(np.arange(len(x)), (3, 50, 90))[:, None, None, None], 120 * x, x)


def hot_pixels(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A pixel of two samples far too bright."""
    x = x.copy()
    x[[5, 60], 2, 2] = 200
    return x


CONV, MOBILE, ROWS = "convolutions", "inverted", "attention"
SMALL, LARGE = (np.where(np.arange(48) == 4, *pair) for pair in ((3.0, 1 / 300), (1.0, 300.0)))
DRIFT = 120 * np.random.default_rng(3).normal(size=24)
LEFT_HALF = np.where(np.arange(32) < 16, 500.0, 1.0)
NARROW = ("expand1", "depthwise1", "project1", "expand2", "depthwise2", "project2")
FOUR_BITS = [LayerConfig(layer, weights="int4", per_axis=False) for layer in NARROW]
DEAD = normalized(only(3, 16, 0.0))

FAULTS: Mapping[str, Fault] = {
    "far weights on a dead channel": Fault(
        CONV, ("conv2",), "outlier_weights", of_model(("norm1", DEAD), ("conv2", far((1, 1, 3), 500)))
    ),
    "far weights of a pointwise layer": Fault(
        MOBILE, ("expand2",), "outlier_weights",
        of_model(*((f"{each}_norm", DEAD) for each in ("stem", "project1", "project2")),
                 ("expand2", far((..., 3, slice(None)), 600))),
    ),
    "one scale for a far weight": Fault(
        CONV, ("conv3",), "one_scale", of_model(("conv3", far((0, 0, 2, 5), 600))), {"per_axis": False}
    ),
    "one scale for a far depthwise weight": Fault(
        MOBILE, ("depthwise2",), "one_scale", of_model(("depthwise2", far((1, 1, 5, 0), 800))), {"per_axis": False}
    ),
    "an outlier channel": Fault(
        CONV, ("conv2", "pool"), "outlier_channels",
        of_model(("conv2", results(only(5, 24, 400))),
                 *((each, operands(1 / only(5, 24, 400))) for each in ("left", "right"))),
    ),
    "an outlier channel before a mean": Fault(
        CONV, ("conv3", "mean"), "outlier_channels",
        of_model(("conv3", results(only(30, 32, 500))), ("logits", operands(1 / only(30, 32, 500)))),
    ),
    "a channel far beyond the others before ReLU6": Fault(
        MOBILE, ("expand1",), "outlier_channels",
        of_model(("expand1_norm", normalized(SMALL)), ("depthwise1", lambda kernel: [kernel * LARGE[:, np.newaxis]])),
    ),
    "a massive unit of the residual stream": Fault(
        ROWS, ("down1", "sum1b"), "outlier_channels",
        of_model(("down1", biased(300.0 * (np.arange(24) == 2))),
                 ("hidden", lambda kernel, bias: [kernel * np.tile(np.arange(24) != 2, 8)[:, np.newaxis], bias])),
    ),
    "a residual stream that drifts": Fault(
        ROWS, ("down1", "sum1b", "sum2a"), "far_from_zero",
        of_model(("down1", biased(DRIFT)), ("down2", biased(-DRIFT))),
    ),
    "an outlier behind GELU": Fault(
        ROWS, ("up2",), "outlier_channels",
        of_model(("up2", results(only(9, 48, 300))), ("down2", operands(1 / only(9, 48, 300)))),
    ),
    "a small branch of a concatenation": Fault(
        CONV, ("concat",), "shared_scale",
        of_model(("left", lambda *own: [each / 500 for each in own]), ("conv3", operands(LEFT_HALF))),
    ),
    "a class that never is": Fault(
        CONV, ("logits",), "outlier_channels", of_model(("logits", biased(-3000.0 * (np.arange(10) == 9))))
    ),
    "an offset of all logits": Fault(CONV, ("logits",), "far_from_zero", of_model(("logits", biased(4000.0)))),
    "data of 0 to 255": Fault(CONV, ("image",), "mis_scaled_data", of_data(lambda x, y: 255 * x)),
    "data around another mean": Fault(MOBILE, ("image",), "mis_scaled_data", of_data(lambda x, y: x / 2 - 0.5)),
    "standardized data": Fault(ROWS, ("rows",), "mis_scaled_data", of_data(lambda x, y: (x - x.mean()) / x.std())),
    "dark data of one class": Fault(ROWS, ("rows",), "narrow_data", of_data(lambda x, y: x[y == 1].clip(0, 0.5))),
    "outlier samples": Fault(MOBILE, ("image",), "outlier_samples", of_data(far_samples)),
    "hot pixels": Fault(CONV, ("image",), "outlier_samples", of_data(hot_pixels)),
    "ranges that cut": Fault(CONV, (), "cut_ranges", of_model(), {"estimator": "percentile", "percentile": 90.0}),
    "ranges that cut attention": Fault(
        ROWS, (), "cut_ranges", of_model(), {"estimator": "percentile", "percentile": 85.0}
    ),
    "flat probabilities": Fault(
        MOBILE, ("scores",), "fixed_range", of_model(("scores", lambda *own: [each * 0.004 for each in own]))
    ),
    "small sigmoids": Fault(ROWS, ("gate",), "fixed_range", gated),
    "small hyperbolic tangents": Fault(
        ROWS, ("hidden",), "fixed_range", of_model(("hidden", lambda *own: [each * 0.001 for each in own]))
    ),
    "four bits and one scale in many layers": Fault(
        MOBILE, NARROW, "few_bits", of_model(), {"layers": FOUR_BITS, "effort": "fast"}
    ),
}  # fmt: skip
