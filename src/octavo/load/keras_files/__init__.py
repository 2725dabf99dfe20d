"""Keras model files -> keras.Model, without running anything that is stored in them."""

from octavo.load.keras_files.reader import read_keras, stored_class, stored_training

__all__ = ["read_keras", "stored_class", "stored_training"]
