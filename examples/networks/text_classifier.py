"""Whether the last colour named in a sentence of word numbers is warm: an embedding and a GRU."""

import keras
import numpy as np

import octavo
from octavo import qat

WORDS, LENGTH = 50, 16
layers = keras.layers


def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Word numbers, int32 of shape (count, LENGTH): 1 to 5 are warm, 6 to 10 cold colours; and 1 for warm ones."""
    rng = np.random.default_rng(seed)
    words = rng.integers(1, WORDS, (count, LENGTH))
    words[:, 0] = rng.integers(1, 11, count)
    last = LENGTH - 1 - np.argmax(words[:, ::-1] <= 10, axis=1)
    return words.astype("int32"), (words[np.arange(count), last] <= 5).astype("int32")


def build() -> keras.Model:
    """Numbers of words in, the probability of a warm colour out."""
    words = keras.Input((LENGTH,), dtype="int32")
    x = layers.GRU(16)(layers.Embedding(WORDS, 12)(words))
    return keras.Model(words, layers.Dense(1, activation="sigmoid")(x))


def main(count: int = 4000, epochs: int = 8) -> tuple[octavo.QuantizedModel, float, float]:
    """Train, quantize, train for int8; returns the last file, and the accuracies of the model and of that file."""
    (x, y), (x_test, y_test) = data(count, 1), data(500, 2)
    model = build()
    model.compile(keras.optimizers.Adam(5e-3), "binary_crossentropy")
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=0)
    made = octavo.quantize(model, "int8", x[:300])
    aware = qat.quantize_model(model)
    aware.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    aware.fit(x, y, batch_size=64, epochs=1, verbose=0)
    trained = octavo.quantize(aware)
    before, after, tuned = (
        float(np.mean((each.predict(x_test)[:, 0] > 0.5) == y_test)) for each in (model, made, trained)
    )
    print(f"accuracy {before:.1%} in float, {after:.1%} in int8, {tuned:.1%} trained for int8")
    return made, before, after


if __name__ == "__main__":
    main()
