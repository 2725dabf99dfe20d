"""Where a square lies in an image and whether it is bright or dark: boxes and scores of one model."""

import keras
import numpy as np

import octavo

SIZE = 32
layers = keras.layers


def data(count: int, seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Images (count, SIZE, SIZE, 1) with boxes (row, column, height, width in parts of the image) and classes."""
    rng = np.random.default_rng(seed)
    corner, size = rng.integers(0, SIZE - 12, (count, 2)), rng.integers(5, 13, (count, 2))
    bright = rng.integers(0, 2, count)
    images = rng.normal(0, 0.2, (count, SIZE, SIZE, 1))
    for image, (row, column), (height, width), is_bright in zip(images, corner, size, bright, strict=True):
        image[row : row + height, column : column + width] += 2 * is_bright - 1
    boxes = np.concatenate([corner + size / 2, size], axis=1) / SIZE
    return images.astype("float32"), {"boxes": boxes.astype("float32"), "scores": bright}


def build() -> keras.Model:
    """One trunk, two heads."""
    image = keras.Input((SIZE, SIZE, 1))
    x = image
    for channels in (16, 32, 32):
        x = layers.Conv2D(channels, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    boxes = layers.Dense(4, activation="sigmoid", name="boxes")(x)
    scores = layers.Dense(2, activation="softmax", name="scores")(x)
    return keras.Model(image, {"boxes": boxes, "scores": scores})


def figures(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> tuple[float, float]:
    """How far boxes are off, in pixels, and the accuracy of the classes."""
    off = np.abs(found["boxes"] - wanted["boxes"]).mean() * SIZE
    return float(off), float(np.mean(found["scores"].argmax(1) == wanted["scores"]))


def main(count: int = 3000, epochs: int = 12) -> tuple[octavo.QuantizedModel, tuple[float, float], tuple[float, float]]:
    """Train and quantize; returns the file, and the figures of the model and of the file."""
    (x, y), (x_test, y_test) = data(count, 1), data(300, 2)
    model = build()
    losses = {"boxes": "mse", "scores": "sparse_categorical_crossentropy"}
    model.compile("adam", losses, loss_weights={"boxes": 10.0, "scores": 1.0})
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    made = octavo.quantize(model, "int8", x[:200])
    before, after = figures(model.predict(x_test), y_test), figures(made.predict(x_test), y_test)
    print(f"boxes {before[0]:.2f} and {after[0]:.2f} pixels off, accuracy {before[1]:.1%} and {after[1]:.1%}")
    return made, before, after


if __name__ == "__main__":
    main()
