"""The other tools, called as their documentation says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np


def converter(model: Any, scheme: str, samples: np.ndarray | None) -> bytes:
    """TensorFlow's converter on a Keras model; needs KERAS_BACKEND=tensorflow."""
    import tensorflow as tf

    tool = tf.lite.TFLiteConverter.from_keras_model(model)
    if scheme != "float32":
        tool.optimizations = [tf.lite.Optimize.DEFAULT]
    if scheme == "float16":
        tool.target_spec.supported_types = [tf.float16]
    if scheme in ("int8", "int16x8"):
        assert samples is not None
        tool.representative_dataset = lambda: ([sample[np.newaxis]] for sample in samples)
        tool.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8
            if scheme == "int8"
            else tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        tool.inference_input_type = tool.inference_output_type = tf.int8 if scheme == "int8" else tf.int16
    with silence():
        return tool.convert()


def quantizer_calibration(float_tflite: bytes, samples: np.ndarray, threads: int) -> tuple[Any, Any]:
    """LiteRT Quantizer's calibration in its fastest mode; returns the quantizer and what it gathered."""
    from litert_quantizer import quantizer, recipe
    from litert_quantizer.calibrator import CalibrationMode

    from octavo.run.litert import LiteRT

    name = LiteRT(float_tflite).inputs[0].name
    tool = quantizer.Quantizer(float_tflite, recipe.static_wi8_ai8())
    data = {"serving_default": [{name: sample[np.newaxis]} for sample in samples]}
    mode = CalibrationMode.CALIBRATION_PROFILER_BASED
    with silence():
        return tool, tool.calibrate(data, num_threads=threads, mode=mode)


def quantizer_int8(float_tflite: bytes, samples: np.ndarray, threads: int) -> bytes:
    """LiteRT Quantizer's static int8 file of a float file."""
    tool, gathered = quantizer_calibration(float_tflite, samples, threads)
    with silence():
        return bytes(tool.quantize(gathered, enable_progress_report=False).quantized_model)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Send what native code writes to stdout and stderr nowhere."""
    with open(os.devnull, "w") as nowhere:
        kept = [os.dup(1), os.dup(2)]
        try:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            for stream, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, stream)
                os.close(copy)
