"""QUANTIZE, DEQUANTIZE: between reals and integers, and between integers of different parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, PerAxis, Quantization, Tensor
from octavo.numerics.affine import dequantize, quantize
from octavo.ops.activation import same_shape
from octavo.ops.fused import output_of
from octavo.ops.limits import Scales, rescaled
from octavo.ops.pointwise import Rescale, rescaling, run_rescale
from octavo.ops.spec import InPlace, Kernel, OpSpec


@dataclass(frozen=True, slots=True)
class QuantizeConstants:
    """What QUANTIZE runs with where its input is real.

    Attributes:
        parameters: Of the result.
        dtype: Likewise.
    """

    parameters: Quantization
    dtype: DType


def prepare_quantize(
    options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]
) -> QuantizeConstants | Rescale:
    """The constants of QUANTIZE, of reals or of integers."""
    (x,), (y,) = inputs, outputs
    if x.quantization is None:
        return QuantizeConstants(y.parameters, y.dtype)
    return Rescale(-x.zero_point, rescaling(x, y), output_of(y))


def run_quantize(constants: QuantizeConstants | Rescale, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reals to integers in float32, integers to integers in fixed point.

    Source: tensorflow/lite/kernels/internal/reference/quantize.h and requantize.h.
    """
    if isinstance(constants, Rescale):
        return run_rescale(constants, arrays)
    return (quantize(arrays[0], constants.parameters, constants.dtype),)


def quantize_scales(options: Options, inputs: Inputs[Tensor]) -> Scales:
    """The output scales of QUANTIZE: any of reals."""
    return Scales() if inputs[0].quantization is None else rescaled(options, inputs)


def prepare_dequantize(options: Options, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> Quantization:
    """DEQUANTIZE runs with the parameters of its input."""
    return inputs[0].parameters


def run_dequantize(parameters: Quantization, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integers to reals.

    Source: tensorflow/lite/kernels/internal/reference/dequantize.h.
    """
    return (dequantize(arrays[0], parameters),)


def as_float32(options: Options, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """float16 to float32; float32 stays what it is."""
    return (inputs[0].astype(np.float32),)


def quantize_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """QUANTIZE: 1, to int16 2, per axis 3.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    if _per_axis(outputs[0]):
        return 3
    return 2 if outputs[0].dtype is DType.INT16 else 1


def dequantize_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """DEQUANTIZE: of uint8 1, int8 2, int16 and float16 3, int8 per axis 5, int4 6.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    x = inputs[0]
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
    integer=Kernel(prepare_quantize, run_quantize),
    output_scales=quantize_scales,
    in_place=InPlace(),
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
    integer=Kernel(prepare_dequantize, run_dequantize),
    activations=INTEGERS,
    micro=INTEGERS | {DType.FLOAT32},
    version=dequantize_version,
    note="also of float16, which TensorFlow Lite Micro lacks",
)

SPECS = (QUANTIZE, DEQUANTIZE)
