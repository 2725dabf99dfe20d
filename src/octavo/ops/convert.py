"""QUANTIZE, DEQUANTIZE: between reals and integers, and between integers of different parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from octavo.dtypes import DType
from octavo.ir.types import Options, PerAxis, Tensor
from octavo.numerics.affine import dequantize, quantize
from octavo.ops.activation import same_shape
from octavo.ops.spec import Operand, OpSpec
from octavo.ops.steps import multiplied, scale_of, steps_of, stored


def quantize_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Reals to integers in float32, integers to integers in fixed point.

    Source: tensorflow/lite/kernels/internal/reference/quantize.h and requantize.h.
    """
    (x,), (y,) = inputs, outputs
    assert x is not None
    assert y.quantization is not None
    if x.tensor.quantization is None:
        return (quantize(x.values, y.quantization, y.dtype),)
    return (stored(multiplied(steps_of(x), float(x.scale[0]) / float(scale_of(y))), y),)


def dequantize_integer(
    options: Options, inputs: Sequence[Operand | None], outputs: Sequence[Tensor]
) -> tuple[np.ndarray, ...]:
    """Integers to reals.

    Source: tensorflow/lite/kernels/internal/reference/dequantize.h.
    """
    (x,) = inputs
    assert x is not None
    assert x.tensor.quantization is not None
    return (dequantize(x.values, x.tensor.quantization),)


def as_float32(options: Options, inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """float16 to float32; float32 stays what it is."""
    assert inputs[0] is not None
    return (inputs[0].astype(np.float32),)


def quantize_version(inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
    """QUANTIZE: 1, to int16 2, per axis 3.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    if _per_axis(outputs[0]):
        return 3
    return 2 if outputs[0].dtype is DType.INT16 else 1


def dequantize_version(inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
    """DEQUANTIZE: of uint8 1, int8 2, int16 and float16 3, int8 per axis 5, int4 6.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    x = inputs[0]
    assert x is not None
    if x.dtype is DType.INT8:
        return 5 if _per_axis(x) else 2
    return {DType.INT4: 6, DType.INT16: 3, DType.FLOAT16: 3}.get(x.dtype, 1)


def _per_axis(tensor: Tensor) -> bool:
    return tensor.quantization is not None and isinstance(tensor.quantization.granularity, PerAxis)


INTEGERS = frozenset({DType.INT8, DType.INT16, DType.UINT8})

QUANTIZE = OpSpec(
    name="QUANTIZE",
    shapes=same_shape,
    converts=True,
    run_float=as_float32,
    run_integer=quantize_integer,
    activations=INTEGERS,
    micro=INTEGERS | {DType.FLOAT32},
    version=quantize_version,
    note="also between int8 and uint8, and from one integer type and scale to another",
)

DEQUANTIZE = OpSpec(
    name="DEQUANTIZE",
    shapes=same_shape,
    converts=True,
    run_float=as_float32,
    run_integer=dequantize_integer,
    activations=INTEGERS,
    micro=INTEGERS | {DType.FLOAT32},
    version=dequantize_version,
    note="also of float16, which TensorFlow Lite Micro lacks",
)

SPECS = (QUANTIZE, DEQUANTIZE)
