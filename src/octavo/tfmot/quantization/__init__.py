"""As tfmot's module of this name."""

from octavo.tfmot.quantization import keras

__all__ = ["keras"]
