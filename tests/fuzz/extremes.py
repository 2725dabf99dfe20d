"""Models with extreme numbers: scales from 1e-9 to 1e9, dead branches, constant data, sums that cancel, great widths.

Each number names one model, the same on every machine; `outcome` quantizes it, and says what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

import octavo
from octavo import qat
from octavo.errors import OctavoError, VerificationError

SCHEMES = ("int8", "int16x8", "int8x4")
SAMPLES = 24
ACTIVATIONS = ("relu", "relu6", "sigmoid", "tanh", "silu", "hard_silu", "hard_sigmoid", "gelu", "elu", "leaky_relu")
# Powers of ten that layers may take activations away from 1 by; squares and sums of them stay finite in float32.
REACH = 9.0


class Maker:
    """Draws one model; `reach` is about the power of ten of the values that its layers have made so far."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.reach = 0.0

    def one_of(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(0, len(choices)))]

    def magnitude(self) -> float:
        """A power of ten, often 1, that keeps `reach` within bounds."""
        if self.rng.random() < 0.4:
            return 1.0
        target = float(self.rng.uniform(-REACH, REACH))
        power, self.reach = target - self.reach, target
        return float(10.0 ** np.clip(power, -REACH, REACH))

    def weights(self, layer: Any, x: Any, scale: float = 1.0) -> Any:
        """Call a layer, and give it weights: of any size, of one sign, zeros, or one channel unlike the others."""
        y = layer(x)
        for variable in layer.weights:
            if "moving" in variable.path or "gamma" in variable.path or "beta" in variable.path:
                continue
            fan_in = max(1, int(np.prod(variable.shape[:-1])))
            drawn = self.rng.normal(0, scale / np.sqrt(fan_in), variable.shape)
            kind = self.rng.random()
            if kind < 0.1:
                drawn = np.abs(drawn)
            elif kind < 0.15:
                drawn = np.zeros(variable.shape)
            elif kind < 0.25 and drawn.ndim > 1:
                drawn[..., 0] *= 10.0 ** self.rng.uniform(-6, 6)
            elif kind < 0.3:
                drawn = np.full(variable.shape, float(drawn.flat[0]))
            variable.assign(drawn.astype(np.float32))
        return y

    def dense(self, x: Any, units: int, activation: str | None = None) -> Any:
        layer = layers.Dense(units, activation=activation, use_bias=bool(self.rng.random() < 0.7))
        return self.weights(layer, x, self.magnitude())

    def data(self, shape: tuple[int, ...]) -> np.ndarray:
        """Samples of any size: spread, positive, constant, zero, or with one far beyond the others."""
        kind, scale = self.rng.random(), self.magnitude()
        values = self.rng.normal(0, 1, (SAMPLES, *shape))
        if kind < 0.2:
            values = np.abs(values)
        elif kind < 0.3:
            values = np.full(values.shape, float(self.rng.normal()))
        elif kind < 0.36:
            values = np.zeros(values.shape)
        elif kind < 0.44:
            values.flat[0] *= 1e6
        elif kind < 0.5:
            values = 1.0 + 1e-6 * values
        return (values * scale).astype(np.float32)


Drawn = tuple[keras.Model, np.ndarray]


def dense_stack(maker: Maker) -> Drawn:
    x = start = keras.Input((int(maker.rng.integers(2, 40)),))
    data = maker.data(start.shape[1:])
    for _ in range(int(maker.rng.integers(1, 4))):
        x = maker.dense(x, int(maker.rng.integers(1, 24)), maker.one_of((None, *ACTIVATIONS)))
    return keras.Model(start, x), data


def wide(maker: Maker) -> Drawn:
    """Up to 50,000 inputs or outputs."""
    width = int(10 ** maker.rng.uniform(2.5, np.log10(50_000)))
    if maker.rng.random() < 0.5:
        start = keras.Input((width,))
        data = maker.data((width,))
        return keras.Model(start, maker.dense(start, int(maker.rng.integers(1, 4)))), data
    start = keras.Input((4,))
    data = maker.data((4,))
    return keras.Model(start, maker.dense(start, width, maker.one_of(("softmax", "sigmoid", "relu", None)))), data


def classifier(maker: Maker) -> Drawn:
    """A softmax over few to very many classes, often nearly uniform."""
    start = keras.Input((8,))
    maker.reach = 0.0
    data = maker.data((8,))
    maker.reach = 0.0
    layer = layers.Dense(int(10 ** maker.rng.uniform(0.5, 4.3)))
    x = maker.weights(layer, start, 10.0 ** maker.rng.uniform(-4, 1))
    function = maker.one_of((ops.softmax, ops.softmax, ops.log_softmax))
    x = function(x)
    if maker.rng.random() < 0.3:
        x = maker.dense(x, 3)
    return keras.Model(start, x), data


def convolutional(maker: Maker) -> Drawn:
    x = start = keras.Input((6, 6, int(maker.rng.integers(1, 5))))
    data = maker.data(start.shape[1:])
    for _ in range(int(maker.rng.integers(1, 4))):
        kind = int(maker.rng.integers(0, 4))
        layer = (
            layers.Conv2D(int(maker.rng.integers(1, 6)), 3, padding="same"),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Conv2DTranspose(int(maker.rng.integers(1, 4)), 2, padding="same"),
            layers.SeparableConv2D(3, 3, padding="same"),
        )[kind]
        x = maker.weights(layer, x, maker.magnitude())
        if maker.rng.random() < 0.4:
            x = norm(maker, x)
        if maker.rng.random() < 0.6:
            x = layers.Activation(maker.one_of(ACTIVATIONS))(x)
        if maker.rng.random() < 0.2:
            x = maker.one_of((layers.MaxPooling2D, layers.AveragePooling2D))(2, padding="same")(x)
    pooled = maker.one_of((layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D, layers.Flatten))()(x)
    return keras.Model(start, maker.dense(pooled, 3)), data


def norm(maker: Maker, x: Any) -> Any:
    """A normalization, with an epsilon of any size."""
    maker.reach = 0.0
    epsilon = float(10.0 ** maker.rng.uniform(-9, -2))
    kind = int(maker.rng.integers(0, 4))
    if kind == 0:
        layer = layers.BatchNormalization(epsilon=epsilon)
        y = layer(x)
        shape = layer.moving_variance.shape
        layer.moving_variance.assign((10.0 ** maker.rng.uniform(-9, 9, shape)).astype(np.float32))
        layer.moving_mean.assign(maker.rng.normal(0, 1, shape).astype(np.float32))
        if maker.rng.random() < 0.3:
            layer.gamma.assign(np.zeros(shape, np.float32))
        return y
    if kind == 1:
        return layers.LayerNormalization(epsilon=epsilon)(x)
    if kind == 2:
        return layers.RMSNormalization(epsilon=epsilon)(x)
    return layers.GroupNormalization(2 if x.shape[-1] % 2 == 0 else 1, epsilon=epsilon)(x)


def normalized(maker: Maker) -> Drawn:
    """Normalizations of whatever there is, zeros too."""
    start = keras.Input((int(maker.rng.integers(1, 5)) * 2,))
    data = maker.data(start.shape[1:])
    x = maker.dense(start, 6, maker.one_of((None, "relu"))) if maker.rng.random() < 0.5 else start
    for _ in range(int(maker.rng.integers(1, 3))):
        x = norm(maker, x)
    return keras.Model(start, maker.dense(x, 2) if maker.rng.random() < 0.5 else x), data


def joined(maker: Maker) -> Drawn:
    """Two branches of different sizes, one of them dead or the negative of the other."""
    start = keras.Input((6,))
    data = maker.data((6,))
    first = maker.dense(start, 6, maker.one_of((None, "relu")))
    kind, reach = maker.rng.random(), maker.reach
    if kind < 0.25:
        second = first * -(1 + float(maker.rng.choice([0.0, 1e-7, 1e-5, 1e-3])))
    elif kind < 0.45:
        second = first * float(maker.rng.choice([0.0, 1e-9, 1e-6, 1e6]))
    elif kind < 0.6:
        second = start + float(maker.rng.choice([-1e9, -1.0, 1e-9, 1e6]))
    else:
        second = maker.dense(start, 6, maker.one_of((None, "relu", "tanh")))
    merge: tuple[Callable[..., Any], ...] = (
        layers.Add(),
        layers.Add(),
        layers.Subtract(),
        layers.Multiply(),
        layers.Maximum(),
        layers.Minimum(),
        layers.Average(),
        layers.Concatenate(),
        lambda pair: ops.square(pair[0] - pair[1]),
    )
    x = maker.one_of(merge)([first, second])
    maker.reach = max(reach, maker.reach) * (1.0 if maker.rng.random() < 0.5 else 0.0)
    if maker.rng.random() < 0.5:
        x = layers.Activation(maker.one_of(ACTIVATIONS))(x)
    return keras.Model(start, maker.dense(x, 2) if maker.rng.random() < 0.6 else x), data


def reduced(maker: Maker) -> Drawn:
    """Means, sums, variances and norms along an axis."""
    start = keras.Input((int(maker.rng.integers(1, 30)), int(maker.rng.integers(1, 8))))
    data = maker.data(start.shape[1:])
    x = maker.dense(start, 5) if maker.rng.random() < 0.5 else start
    axis = int(maker.rng.integers(1, 3))
    function = maker.one_of((ops.mean, ops.sum, ops.max, ops.min, ops.mean, ops.sum))
    x = function(x, axis=axis, keepdims=True)
    if maker.rng.random() < 0.4:
        x = maker.one_of((ops.abs, ops.square, lambda v: ops.sqrt(ops.abs(v)), lambda v: ops.rsqrt(ops.abs(v) + 1e-6)))(
            x
        )
    return keras.Model(start, layers.Flatten()(x)), data


def attention(maker: Maker) -> Drawn:
    """Products of activations, weighed by a softmax or not."""
    start = keras.Input((int(maker.rng.integers(2, 40)), 4))
    data = maker.data(start.shape[1:])
    queries, keys = maker.dense(start, 3), maker.dense(start, 3)
    x = ops.matmul(queries, ops.transpose(keys, (0, 2, 1)))
    if maker.rng.random() < 0.7:
        x = ops.softmax(x * float(10.0 ** maker.rng.uniform(-3, 1)))
    return keras.Model(start, ops.matmul(x, start)), data


FAMILIES = (dense_stack, wide, classifier, convolutional, normalized, joined, reduced, attention)


def draw(case: int) -> tuple[str, keras.Model, np.ndarray, str, bool]:
    """(family, model, data, scheme, whether it is trained) of a case."""
    keras.utils.set_random_seed(case)
    maker = Maker(case)
    family = FAMILIES[case % len(FAMILIES)]
    model, data = family(maker)
    return family.__name__, model, data, maker.one_of(SCHEMES), bool(maker.rng.random() < 0.15)


def outcome(case: int) -> tuple[str, str, str]:
    """(family, what came of a case in one word, more about it).

    "proven": a file that was verified, and ended no runtime; "refused": an error of Octavo's that names its subject;
    "unproven": a file that a runtime did not run or ran wrongly; "bare": an exception of any other kind.
    """
    family, model, data, scheme, trains = draw(case)
    about = f"{scheme}{' trained' if trains else ''}"
    try:
        quantized = _quantized(model, data, scheme, trains=trains)
    except VerificationError as error:
        return family, "unproven", f"{about}: {error}"
    except OctavoError as error:
        said = all((error.what, error.got, error.expected, error.fix)) and type(error).__name__ != "GraphError"
        return family, "refused" if said else "bare", f"{about}: {type(error).__name__}: {error}"
    except Exception as error:  # what this room looks for
        return family, "bare", f"{about}: {type(error).__name__}: {error}"
    checks = () if quantized.verification is None else quantized.verification.runtimes
    ended = [check.summary() for check in checks if check.culprit or "ends the process" in check.reason]
    return family, "unproven" if ended else "proven", f"{about}: {'; '.join(ended)}"


def _quantized(model: keras.Model, data: np.ndarray, scheme: str, *, trains: bool) -> octavo.QuantizedModel:
    """By calibration; or trained for an epoch at learning rate 0, as gradients of such models say little."""
    if not trains:
        return octavo.quantize(model, scheme, data)
    trained = qat.quantize_model(model, scheme, data=data)
    trained.compile(keras.optimizers.SGD(0.0), "mae")
    trained.fit(data, model.predict(data, verbose=0), epochs=1, batch_size=8, verbose=0)
    return octavo.quantize(trained)
