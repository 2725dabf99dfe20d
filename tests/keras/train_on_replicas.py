"""Train on so many replicas, each time anew, and save every variable; run as a program by the test of the same subject.

python train_on_replicas.py FOLDER REPLICAS...
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import Any

BATCH = 8


def network() -> Any:
    """Convolution, batch normalization over all replicas, a residual sum, a dense layer."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(7)
    x = keras.Input((6, 6, 2), name="image")
    y = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(x)
    # Under JAX, a batch's statistics are the whole batch's wherever it lies.
    norm = layers.BatchNormalization(synchronized=keras.backend.backend() == "tensorflow", name="norm")
    y = layers.ReLU(name="relu")(norm(y))
    y = layers.Add(name="sum")([y, layers.Conv2D(4, 1, name="short")(x)])
    return keras.Model(x, layers.Dense(3, name="scores")(layers.GlobalAveragePooling2D(name="mean")(y)))


def scope(replicas: int) -> Any:
    """Where to build and train for this many replicas."""
    import keras

    if keras.backend.backend() == "jax":
        devices = keras.distribution.list_devices()[:replicas]
        return keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope()
    import tensorflow as tf

    names = [device.name for device in tf.config.list_logical_devices("CPU")[:replicas]]
    return tf.distribute.MirroredStrategy(names).scope() if replicas > 1 else nullcontext()


def check_replicas(replicas: int) -> None:
    """Stop if training did not run on so many."""
    import keras

    if keras.backend.backend() == "jax":
        assert keras.distribution.distribution().device_mesh.devices.size == replicas
        return
    import tensorflow as tf

    assert tf.distribute.get_strategy().num_replicas_in_sync == replicas


def give_devices(replicas: int) -> None:
    """Let the host pretend to have several; before anything is computed."""
    if os.environ["KERAS_BACKEND"] == "jax":
        os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={replicas}"
        return
    import tensorflow as tf

    one = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one] * replicas)


def main(folder: str, *counts: int) -> None:
    give_devices(max(counts))
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2 * BATCH, 6, 6, 2)).astype(np.float32)
    y = rng.uniform(-1, 1, (2 * BATCH, 3)).astype(np.float32)
    for replicas in counts:
        keras.backend.clear_session()
        np.savez(os.path.join(folder, f"{replicas}.npz"), **trained(replicas, x, y))


def trained(replicas: int, x: Any, y: Any) -> dict[str, Any]:
    """Every variable after two steps, by path."""
    import keras
    import numpy as np

    from octavo import qat

    with scope(replicas):
        model = qat.quantize_model(network())
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, y, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)
        check_replicas(replicas)
        return {variable.path: np.asarray(keras.ops.convert_to_numpy(variable)) for variable in model.variables}


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
