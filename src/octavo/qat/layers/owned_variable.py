"""A variable of a layer that was opened, in a layer of its own."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="octavo")
class OwnedVariable(keras.layers.Layer):
    """Returns its variable, whatever it is called on, so that calls of keras.ops in a functional model can read it.

    Args:
        shape: Of the variable.
        kind: Its dtype.
    """

    returns_variable = True

    def __init__(
        self, shape: Any, kind: str = "float32", name: str | None = None, trainable: bool = True, dtype: Any = None
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.shape, self.kind = tuple(shape), kind

    def build(self, input_shape: Any) -> None:
        """Make the variable."""
        self.variable = self.add_weight(name="variable", shape=self.shape, dtype=self.kind, initializer="zeros")
        self.built = True

    def call(self, x: Any) -> Any:
        """The variable's value."""
        return self.variable.value

    def compute_output_spec(self, x: Any) -> Any:
        """A tensor of the variable's shape."""
        return keras.KerasTensor(self.shape, self.kind)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {**super().get_config(), "shape": list(self.shape), "kind": self.kind}
