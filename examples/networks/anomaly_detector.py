"""Vibrations that are not as usual, told by how badly an autoencoder of usual ones repeats them."""

import keras
import numpy as np

import octavo

LENGTH = 64
layers = keras.layers


def data(count: int, seed: int, *, usual: bool = True) -> np.ndarray:
    """Vibrations of shape (count, LENGTH): two harmonics, or with a third one where they are not as usual."""
    rng = np.random.default_rng(seed)
    time, phase = np.linspace(0, 4 * np.pi, LENGTH), rng.uniform(0, 2 * np.pi, (count, 1))
    x = np.sin(time + phase) + 0.5 * np.sin(2 * (time + phase)) + rng.normal(0, 0.05, (count, LENGTH))
    return (x if usual else x + 0.4 * np.sin(5 * time + phase)).astype("float32")


def build() -> keras.Model:
    """Through four numbers and back."""
    sizes = (32, 16, 4, 16, 32)
    hidden = [layers.Dense(size, activation="relu" if size > 4 else None) for size in sizes]
    return keras.Sequential([keras.Input((LENGTH,)), *hidden, layers.Dense(LENGTH)])


def separated(usual: np.ndarray, other: np.ndarray) -> float:
    """Area under the ROC curve: how often an unusual error is larger than a usual one."""
    return float(np.mean(other[:, None] > usual[None]))


def main(count: int = 2000, epochs: int = 10) -> tuple[octavo.QuantizedModel, float, float]:
    """Train and quantize; returns the file, and how well the errors of the model and of the file separate."""
    x, usual, other = data(count, 1), data(300, 2), data(300, 3, usual=False)
    model = build()
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    model.fit(x, x, batch_size=64, epochs=epochs, verbose=0)
    made = octavo.quantize(model, "int8", x[:300])
    before, after = (
        separated(*(np.square(each.predict(part) - part).mean(1) for part in (usual, other))) for each in (model, made)
    )
    print(f"area under the curve {before:.3f} in float, {after:.3f} in int8 and {len(made.model):,} bytes")
    return made, before, after


if __name__ == "__main__":
    main()
