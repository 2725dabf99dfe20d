"""Which of four tones sounds in half a second of sound: the spectrogram is part of the int8 file."""

import keras
import numpy as np

import octavo

RATE, LENGTH = 8000, 4000
TONES = np.array([300, 600, 1100, 2000])
layers, ops = keras.layers, keras.ops


def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tones that begin anywhere, in noise: samples in -1..1, shape (count, LENGTH), and the numbers of the tones."""
    rng = np.random.default_rng(seed)
    label, time = rng.integers(0, 4, count), np.arange(LENGTH) / RATE
    pitch = (TONES[label] * rng.uniform(0.95, 1.05, count))[:, None]
    start, loudness = rng.uniform(0.05, 0.25, (count, 1)), rng.uniform(0.2, 0.9, (count, 1))
    sounds = (time > start) & (time < start + 0.2)
    x = loudness * sounds * np.sin(2 * np.pi * pitch * time) + 0.03 * rng.normal(size=(count, LENGTH))
    return x.astype("float32"), label


class Spectrogram(layers.Layer):
    """Logarithms of the power in bands of frequency, for each 16 milliseconds."""

    def __init__(self, bands: int = 24, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.bands = bands

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """(batch, LENGTH) to (batch, windows, bands, 1)."""
        real, imaginary = ops.stft(x, 256, 128, 256)
        power = ops.square(real) + ops.square(imaginary)
        edges = np.geomspace(4, 129, self.bands + 1)
        share = (np.arange(129)[:, None] >= edges[:-1] - 1) & (np.arange(129)[:, None] < edges[1:])
        return ops.log(ops.matmul(power, share.astype("float32")) + 0.01)[..., None]


def build() -> keras.Model:
    """A small convolutional network behind the spectrogram."""
    return keras.Sequential(
        [
            keras.Input((LENGTH,)),
            Spectrogram(),
            layers.Rescaling(0.3),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def main(count: int = 2000, epochs: int = 8) -> tuple[octavo.QuantizedModel, float, float]:
    """Train and quantize; returns the file, and the accuracies of the model and of the file."""
    (x, y), (x_test, y_test) = data(count, 1), data(400, 2)
    model = build()
    model.compile(keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    made = octavo.quantize(model, "int8", x[:200])
    before, after = (float(np.mean(p.argmax(1) == y_test)) for p in (model.predict(x_test), made.predict(x_test)))
    print(f"accuracy {before:.1%} in float, {after:.1%} in int8 and {len(made.model):,} bytes")
    return made, before, after


if __name__ == "__main__":
    main()
