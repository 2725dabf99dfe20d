"""What a wearer does, from acceleration along three axes: dilated causal convolutions, gates and attention pooling."""

import keras
import numpy as np

import octavo

LENGTH = 64
layers, ops = keras.layers, keras.ops


def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Accelerations of shape (count, LENGTH, 3): resting, walking, running or falling somewhere; and which."""
    rng = np.random.default_rng(seed)
    label, time = rng.integers(0, 4, count), np.arange(LENGTH)[None, :, None]
    speed = np.array([0.0, 0.3, 0.8, 0.0])[label][:, None, None] * rng.uniform(0.9, 1.1, (count, 1, 1))
    x = np.sin(speed * time + rng.uniform(0, 6, (count, 1, 3))) * rng.uniform(0.3, 1.5, (count, 1, 3)) * (speed > 0)
    moment = rng.integers(5, LENGTH - 5, (count, 1, 1))
    x = x + (label == 3)[:, None, None] * 3 * np.exp(-np.square(time - moment) / 4)
    return (x + rng.normal(0, 0.2, x.shape)).astype("float32"), label


def block(x: keras.KerasTensor, channels: int, dilation: int) -> keras.KerasTensor:
    """A causal convolution beside a shortcut, its channels weighed by what all of the time says (squeeze, excite)."""
    y = layers.Conv1D(channels, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
    gate = layers.Dense(channels // 4, activation="silu")(layers.GlobalAveragePooling1D(keepdims=True)(y))
    y = layers.Multiply()([y, layers.Dense(channels, activation="sigmoid")(gate)])
    return layers.Add()([layers.Conv1D(channels, 1)(x), y])


def build() -> keras.Model:
    """Three blocks, each looking twice as far back, and a mean over time whose weights are learned."""
    x = sensors = keras.Input((LENGTH, 3))
    for dilation in (1, 2, 4):
        x = block(x, 16, dilation)
    attention = layers.Softmax(axis=1)(layers.Dense(1)(layers.Dense(8, activation="tanh")(x)))
    pooled = ops.sum(x * attention, axis=1)
    return keras.Model(sensors, layers.Dense(4, activation="softmax")(pooled))


def main(count: int = 2000, epochs: int = 8) -> tuple[octavo.QuantizedModel, float, float]:
    """Train and quantize; returns the file, and the accuracies of the model and of the file."""
    (x, y), (x_test, y_test) = data(count, 1), data(500, 2)
    model = build()
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    made = octavo.quantize(model, "int8", x[:300])
    before, after = (float(np.mean(each.predict(x_test).argmax(1) == y_test)) for each in (model, made))
    print(f"accuracy {before:.1%} in float, {after:.1%} in int8 and {len(made.model):,} bytes")
    return made, before, after


if __name__ == "__main__":
    main()
