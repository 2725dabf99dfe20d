"""Batch normalization in training: live until its statistics are frozen."""

from __future__ import annotations

from typing import Any

import keras

from octavo.qat.layers.lowered_call import LoweredCall
from octavo.qat.layers.neighbours import Around


@keras.saving.register_keras_serializable(package="octavo")
class LiveBatchNorm(Around):
    """A batch normalization whose statistics can be frozen while scale and offset go on training.

    Args:
        layer: The batch normalization.

    Attributes:
        frozen: Whether training uses the moving statistics, and leaves them as they are.
    """

    def __init__(
        self, layer: keras.layers.BatchNormalization, name: str | None = None, trainable: bool = True, dtype: Any = None
    ) -> None:
        super().__init__(name=name or layer.name, trainable=trainable, dtype=dtype or layer.dtype_policy)
        self.layer, self.frozen = layer, False

    @property
    def around(self) -> Any:
        """The user's layer."""
        return self.layer

    def build(self, input_shape: Any) -> None:
        """Build the layer."""
        if not self.layer.built:
            self.layer.build(input_shape)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize by the batch in training, by the moving statistics at inference and while frozen."""
        return self.layer(inputs, training=bool(training) and not self.frozen, mask=mask)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "layer": keras.saving.serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LiveBatchNorm:
        """The inverse of `get_config`."""
        restored = {key: keras.saving.deserialize_keras_object(config[key]) for key in ("layer", "dtype")}
        return cls(**{**config, **restored})


class FreezeBatchNorm(keras.callbacks.Callback):
    """Freezes the statistics of batch normalization for the last epochs.

    What is deployed has fixed statistics; training under them at the end lets the other weights and the ranges
    settle. Scale and offset go on training.

    Args:
        epoch: From this epoch on, counted from 0 as Keras does.
    """

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Freeze when it is time; the training step is traced anew."""
        layers = [layer for layer in self.model.layers if isinstance(layer, LiveBatchNorm | LoweredCall)]
        if epoch >= self.epoch and not all(layer.frozen for layer in layers):
            for layer in layers:
                layer.frozen = True
            self.model.make_train_function(force=True)
