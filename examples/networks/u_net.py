"""Discs cut out of noisy images by a U-Net: a class for each pixel."""

import keras
import numpy as np

import octavo

SIZE = 32
layers = keras.layers


def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with a disc in noise, shape (count, SIZE, SIZE, 1), and 1 for each of its pixels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    centre, radius = rng.uniform(8, SIZE - 8, (count, 2)), rng.uniform(4, 9, count)
    distance = np.hypot(rows - centre[:, 0, None, None], columns - centre[:, 1, None, None])
    inside = distance < radius[:, None, None]
    return (inside + rng.normal(0, 0.7, inside.shape)).astype("float32")[..., None], inside[..., None].astype("int32")


def convolutions(x: keras.KerasTensor, channels: int) -> keras.KerasTensor:
    """Two of them, normalized."""
    for _ in range(2):
        x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return x


def build() -> keras.Model:
    """Two steps down and up again, with what was seen on the way down."""
    image = keras.Input((SIZE, SIZE, 1))
    fine = convolutions(image, 8)
    middle = convolutions(layers.MaxPooling2D()(fine), 16)
    coarse = convolutions(layers.MaxPooling2D()(middle), 32)
    x = layers.Conv2DTranspose(16, 2, strides=2)(coarse)
    x = convolutions(layers.Concatenate()([x, middle]), 16)
    x = convolutions(layers.Concatenate()([layers.UpSampling2D()(x), fine]), 8)
    return keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))


def overlap(wanted: np.ndarray, found: np.ndarray) -> float:
    """Pixels in both over pixels in either."""
    return float((wanted & found).sum() / (wanted | found).sum())


def main(count: int = 800, epochs: int = 6) -> tuple[octavo.QuantizedModel, float, float]:
    """Train and quantize; returns the file, and the overlaps that the model and the file reach."""
    (x, y), (x_test, y_test) = data(count, 1), data(200, 2)
    model = build()
    model.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    made = octavo.quantize(model, "int8", x[:200])
    before, after = (overlap(y_test > 0, p > 0.5) for p in (model.predict(x_test), made.predict(x_test)))
    print(f"overlap {before:.3f} in float, {after:.3f} in int8 and {len(made.model):,} bytes")
    return made, before, after


if __name__ == "__main__":
    main()
