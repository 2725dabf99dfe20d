"""keras.Model -> float graph, on any backend, without TensorFlow."""

from octavo.load.keras_graph.compute import with_compute
from octavo.load.keras_graph.functional import as_graph
from octavo.load.keras_graph.trace import load_keras

__all__ = ["as_graph", "load_keras", "with_compute"]
