"""The Keras 3 loader: model files and functional graphs, on any backend, without TensorFlow."""

from __future__ import annotations

from octavo.load.keras.compute import with_compute
from octavo.load.keras.reader import read_keras
from octavo.load.keras.trace import load_keras

__all__ = ["load_keras", "read_keras", "with_compute"]
