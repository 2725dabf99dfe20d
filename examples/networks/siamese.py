"""Whether two noisy curves have the same shape: a siamese network, whose branches share their weights."""

import keras
import numpy as np

import octavo

LENGTH, SHAPES = 64, 6
layers, ops = keras.layers, keras.ops


def data(count: int, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Two curves a sample, each (count, LENGTH, 1), of the same shape in half of them; and 1 for those."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, SHAPES, count)
    same = rng.integers(0, 2, count)
    second = np.where(same, first, (first + rng.integers(1, SHAPES, count)) % SHAPES)
    time = np.linspace(0, 2 * np.pi, LENGTH)

    def curves(shape: np.ndarray) -> np.ndarray:
        waves = np.sin((shape[:, None] + 1) * time + rng.uniform(0, 6, (count, 1)))
        return (waves + rng.normal(0, 0.3, waves.shape)).astype("float32")[..., None]

    return [curves(first), curves(second)], same


def build() -> keras.Model:
    """Both curves through one network, and what the distance of the results says."""
    branch = keras.Sequential(
        [
            keras.Input((LENGTH, 1)),
            layers.Conv1D(16, 7, strides=2, activation="relu"),
            layers.Conv1D(32, 5, strides=2, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(16),
            layers.UnitNormalization(),
        ]
    )
    first, second = keras.Input((LENGTH, 1)), keras.Input((LENGTH, 1))
    distance = ops.square(branch(first) - branch(second))
    return keras.Model([first, second], layers.Dense(1, activation="sigmoid")(distance))


def main(count: int = 4000, epochs: int = 12) -> tuple[octavo.QuantizedModel, float, float]:
    """Train and quantize; returns the file, and the accuracies of the model and of the file."""
    (x, y), (x_test, y_test) = data(count, 1), data(500, 2)
    model = build()
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    made = octavo.quantize(model, "int8", [each[:300] for each in x])
    before, after = (float(np.mean((each.predict(x_test)[:, 0] > 0.5) == y_test)) for each in (model, made))
    print(f"accuracy {before:.1%} in float, {after:.1%} in int8 and {len(made.model):,} bytes")
    return made, before, after


if __name__ == "__main__":
    main()
