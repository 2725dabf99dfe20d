"""Fake quantization of activations while training, in one kernel of the backend where it has one.

The formula of `fake_quantize` step by step is a pass over the tensor for each of its operations, forth and back, unless
a compiler fuses them, as JAX's does. TensorFlow and PyTorch have kernels of their own. They round what lies within
float32 rounding of a tie their own way, so that inference, which must agree with the written file, does without them.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from octavo.dtypes import DType
from octavo.numerics.fake_quantization import fake_quantize


def fake_quantize_fused(x: Any, scale: Any, zero_point: Any, dtype: DType) -> Any:
    """As `octavo.numerics.fake_quantization.fake_quantize`, but without a gradient to `scale` and `zero_point`.

    Args:
        x: float32, any shape.
        scale, zero_point: Scalars.
        dtype: INT8 or INT16.
    """
    backend = keras.backend.backend()
    scale, zero_point = (ops.stop_gradient(ops.convert_to_tensor(value, "float32")) for value in (scale, zero_point))
    if backend == "tensorflow":
        return _in_tensorflow(x, scale, zero_point, dtype)
    if backend == "torch":
        return _in_torch(x, scale, zero_point, dtype)
    return fake_quantize(x, scale, zero_point, dtype)


def _in_tensorflow(x: Any, scale: Any, zero_point: Any, dtype: DType) -> Any:
    """Source: tensorflow/core/kernels/fake_quant_ops_functor.h, FakeQuantWithMinMaxVarsFunctor."""
    import tensorflow as tf

    smallest, largest = dtype.integer_range
    low, high = (smallest - zero_point) * scale, (largest - zero_point) * scale
    return tf.quantization.fake_quant_with_min_max_vars(x, low, high, num_bits=dtype.bits)


def _in_torch(x: Any, scale: Any, zero_point: Any, dtype: DType) -> Any:
    """Source: aten/src/ATen/native/quantized/FakeQuantPerTensorAffine.cpp."""
    import torch

    smallest, largest = dtype.integer_range
    return torch.fake_quantize_per_tensor_affine(x, scale, zero_point.to(torch.int32), smallest, largest)
