"""FULLY_CONNECTED, BATCH_MATMUL: products with trained weights, and of two activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, PerAxis, PerTensor, Shape, Tensor
from octavo.ops.accumulate import AccumulatorConstants, centred, requantization
from octavo.ops.fused import FusedActivation, clamp_real
from octavo.ops.limits import SPAN, largest_sum, overflow, overflowing, product_of_matrices, weighted
from octavo.ops.matrix_form import MatrixForm
from octavo.ops.products import of_results
from octavo.ops.roles import Bias, Data, Weight, weight_types
from octavo.ops.shape import emit_reshape
from octavo.ops.signs import as_operands
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, Kernel, OpSpec, TensorRef
from octavo.ops.tensor_products import multiplied
from octavo.ops.version import version_by_type


@dataclass(frozen=True, slots=True)
class FullyConnectedOptions(Options):
    """Options of FULLY_CONNECTED; without `keep_num_dims` the result is a matrix whatever the input's rank."""

    table = "FullyConnectedOptions"
    fused_activation_function: FusedActivation = FusedActivation.NONE
    keep_num_dims: bool = False


def fully_connected_shapes(options: FullyConnectedOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[..., in] x weights [out, in] -> [..., out], or [rows, out] without `keep_num_dims`."""
    x, weights = inputs[0], inputs[1]
    leading = x.shape[:-1] if options.keep_num_dims else (x.size // weights.shape[1],)
    return ((*leading, weights.shape[0]),)


def fully_connected_float(options: FullyConnectedOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Float reference of FULLY_CONNECTED."""
    x, weights_oi, bias = inputs[0], inputs[1], inputs.get(2)
    sums = _rows(x, weights_oi, keep_num_dims=options.keep_num_dims) @ weights_oi.T
    return (clamp_real(sums if bias is None else sums + bias, options.fused_activation_function),)


@dataclass(frozen=True, slots=True, eq=False)
class FullyConnectedConstants(AccumulatorConstants):
    """What FULLY_CONNECTED runs with.

    Attributes:
        keep_num_dims: As in its options.
    """

    keep_num_dims: bool


def prepare_fully_connected(
    options: FullyConnectedOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]
) -> FullyConnectedConstants:
    """The constants of FULLY_CONNECTED."""
    x, weights = inputs[0], inputs[1]
    requantized = requantization(x, weights, inputs.get(2), outputs[0], options.fused_activation_function)
    return FullyConnectedConstants(-x.zero_point, requantized, options.keep_num_dims)


def run_fully_connected(constants: FullyConnectedConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of FULLY_CONNECTED.

    Source: tensorflow/lite/kernels/internal/reference/integer_ops/fully_connected.h, as TensorFlow Lite Micro calls it:
    with fixed-point multipliers. LiteRT's own reference scales in double there.
    """
    x, weights_oi = centred(arrays[0], constants.input_offset), arrays[1].astype(np.float64)
    sums = _rows(x, weights_oi, keep_num_dims=constants.keep_num_dims) @ weights_oi.T
    return constants.requantization.apply(sums, arrays.get(2))


def _rows(x: np.ndarray, weights_oi: np.ndarray, *, keep_num_dims: bool) -> np.ndarray:
    return x if keep_num_dims else x.reshape(-1, weights_oi.shape[1])


FULLY_CONNECTED_MATRIX_FORM = MatrixForm(
    rows=lambda options, x, weights, places: x.reshape(1, -1, weights[1])[:, places],
    matrices=lambda x, weights_oi: weights_oi.T[np.newaxis],
    weight=lambda matrices, weights: matrices[0].T.reshape(weights),
    on_tensors=multiplied,
)


def fully_connected_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """FULLY_CONNECTED: float 1, hybrid 3, int8 4, rank kept 5, no bias 6, int16 7, int4 10, hybrid per channel 12.

    Source: tflite/tools/versioning/op_version.cc.
    """
    x, weights = inputs[0], inputs[1]
    if weights.dtype is DType.INT4:
        return 10
    if x.dtype is DType.INT16:
        return 7
    features = [6] if len(inputs) == 2 else []
    features += [5] if len(outputs[0].shape) > 2 else []
    if x.dtype is DType.INT8:
        features.append(4)
    elif weights.quantization is not None:
        features.append(12 if isinstance(weights.quantization.granularity, PerAxis) else 3)
    return max(features, default=1)


def fully_connected_training(ops: Any) -> Any:
    """FULLY_CONNECTED on Keras tensors."""

    def run(x: Any, weights: Any, bias: Any = None, *, keep_num_dims: bool) -> Any:
        sums = multiplied(ops, FullyConnectedOptions(keep_num_dims=keep_num_dims), x, weights)
        return sums if bias is None else ops.add(sums, bias)

    return run


def lower_dense(b: Emitter, call: KerasCall) -> str:
    """keras.layers.Dense of any rank: kernel [in, out] -> [out, in]; a missing bias becomes zeros."""
    layer, x = call.operation, call.inputs[0]
    weights = np.transpose(call.weight("kernel"))
    bias = call.weight("bias") if layer.use_bias else np.zeros(weights.shape[0], np.float32)
    operands = [x, b.constant(weights, "kernel"), b.constant(bias, "bias")]
    options = FullyConnectedOptions(keep_num_dims=len(b.shape(x)) > 2)
    return b.activation(layer.activation, b.emit("FULLY_CONNECTED", operands, options))


@dataclass(frozen=True, slots=True)
class BatchMatMulOptions(Options):
    """Options of BATCH_MATMUL: `adj_x` and `adj_y` transpose the last two dimensions of an operand first."""

    table = "BatchMatMulOptions"
    adj_x: bool = False
    adj_y: bool = False


def batch_matmul_shapes(options: BatchMatMulOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[..., m, k] x [..., k, n] -> [..., m, n]; leading dimensions broadcast."""
    x, y = inputs
    rows = x.shape[-1] if options.adj_x else x.shape[-2]
    columns = y.shape[-2] if options.adj_y else y.shape[-1]
    return ((*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), rows, columns),)


def batch_matmul_products(options: BatchMatMulOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """Each value of the result is a sum over k products."""
    return outputs[0].size * inputs[0].shape[-2 if options.adj_x else -1]


def batch_matmul_float(options: BatchMatMulOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Float reference of BATCH_MATMUL."""
    x, y = inputs
    return (_product(options, x, y),)


@dataclass(frozen=True, slots=True, eq=False)
class BatchMatMulConstants(AccumulatorConstants):
    """What BATCH_MATMUL runs with; `input_offset` is that of its first operand.

    Attributes:
        second_input_offset: Added to the integers of the second operand.
        adj_x, adj_y: As in its options.
    """

    second_input_offset: int
    adj_x: bool
    adj_y: bool


def prepare_batch_matmul(
    options: BatchMatMulOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]
) -> BatchMatMulConstants:
    """The constants of BATCH_MATMUL."""
    x, y = inputs
    requantized = requantization(x, y, None, outputs[0], FusedActivation.NONE)
    return BatchMatMulConstants(-x.zero_point, requantized, -y.zero_point, options.adj_x, options.adj_y)


def run_batch_matmul(constants: BatchMatMulConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of BATCH_MATMUL; both operands have zero points.

    Source: tensorflow/lite/kernels/internal/reference/batch_matmul.h.
    """
    x, y = centred(arrays[0], constants.input_offset), centred(arrays[1], constants.second_input_offset)
    return constants.requantization.apply(_product(constants, x, y), None)


def _product(adjoint: BatchMatMulOptions | BatchMatMulConstants, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (np.swapaxes(x, -1, -2) if adjoint.adj_x else x) @ (np.swapaxes(y, -1, -2) if adjoint.adj_y else y)


def _terms(options: BatchMatMulOptions, x: Tensor) -> int:
    """How many products are summed."""
    return x.shape[-2 if options.adj_x else -1]


def _overflowing(options: BatchMatMulOptions, inputs: Inputs[Tensor]) -> str:
    """The obstacle of too many products for the accumulator."""
    x, y = inputs
    return overflow(_terms(options, x) * float(SPAN[x.dtype]) ** 2, largest_sum(x.dtype, y.dtype))


def batch_matmul_training(ops: Any) -> Any:
    """BATCH_MATMUL on Keras tensors."""

    def run(x: Any, y: Any, *, adj_x: bool, adj_y: bool) -> Any:
        return ops.matmul(ops.swapaxes(x, -1, -2) if adj_x else x, ops.swapaxes(y, -1, -2) if adj_y else y)

    return run


def lower_matmul(b: Emitter, call: KerasCall) -> str:
    """keras.ops.matmul: by a constant matrix a FULLY_CONNECTED, else a BATCH_MATMUL; a vector is a row or a column."""
    x, y = call.args
    vectors = [len(_shape(b, each)) == 1 for each in (x, y)]
    x = _shaped(b, x, (1, *_shape(b, x))) if vectors[0] else x
    y = _shaped(b, y, (*_shape(b, y), 1)) if vectors[1] else y
    product = _product_of(b, x, y)
    if not any(vectors):
        return product
    dropped = {i for i, is_vector in zip((-2, -1), vectors, strict=True) if is_vector}
    rank = len(b.shape(product))
    kept = tuple(size for i, size in enumerate(b.shape(product)) if i - rank not in dropped)
    return emit_reshape(b, product, kept)


def _product_of(b: Emitter, x: TensorRef | np.ndarray, y: TensorRef | np.ndarray) -> str:
    if isinstance(x, TensorRef) and not isinstance(y, TensorRef) and y.ndim == 2:
        weights = np.transpose(y)
        operands = [x.name, b.constant(weights, "kernel"), b.constant(np.zeros(len(weights), np.float32), "bias")]
        return b.emit("FULLY_CONNECTED", operands, FullyConnectedOptions(keep_num_dims=len(b.shape(x.name)) > 2))
    operands = [
        each.name if isinstance(each, TensorRef) else b.constant(each.astype(np.float32), "operand") for each in (x, y)
    ]
    return b.emit("BATCH_MATMUL", operands, BatchMatMulOptions())


def _shape(b: Emitter, x: TensorRef | np.ndarray) -> Shape:
    return b.shape(x.name) if isinstance(x, TensorRef) else np.shape(x)


def _shaped(b: Emitter, x: TensorRef | np.ndarray, shape: Shape) -> TensorRef | np.ndarray:
    return TensorRef(emit_reshape(b, x.name, shape)) if isinstance(x, TensorRef) else np.reshape(x, shape)


def _normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


FULLY_CONNECTED = OpSpec(
    name="FULLY_CONNECTED",
    options=FullyConnectedOptions,
    inputs=(Data(), Weight(0, weight_types(0, int4=PerTensor(), hybrid=True)), Bias(0, 1)),
    shapes=fully_connected_shapes,
    products=of_results(0),
    training=fully_connected_training,
    positive=as_operands,
    run_float=fully_connected_float,
    integer=Kernel(prepare_fully_connected, run_fully_connected),
    output_scales=weighted(0),
    obstacle=overflowing(0),
    matrix_form=FULLY_CONNECTED_MATRIX_FORM,
    fuses=True,
    exact=False,
    version=fully_connected_version,
    keras={
        "layers.Dense": KerasForm(
            lower_dense, lambda keras: (keras.layers.Dense(4, activation="relu", use_bias=False), ((5, 6),))
        ),
    },
    examples=(
        Example(((1, 16), None, None), {1: _normal(10, 16), 2: _normal(10)}, FullyConnectedOptions()),
        Example(((1, 33), None), {1: _normal(7, 33)}, FullyConnectedOptions(), low=-1.0, high=5.0),
        Example(((1, 3, 4), None, None), {1: _normal(5, 12), 2: _normal(5)}, FullyConnectedOptions()),
        Example(
            ((1, 3, 2, 8), None, None),
            {1: _normal(6, 8), 2: _normal(6)},
            FullyConnectedOptions(FusedActivation.RELU, keep_num_dims=True),
            low=-1.0,
            high=5.0,
        ),
    ),
)

BATCH_MATMUL = OpSpec(
    name="BATCH_MATMUL",
    micro_name="BatchMatMul",
    options=BatchMatMulOptions,
    inputs=(Data(), Data()),
    shapes=batch_matmul_shapes,
    products=batch_matmul_products,
    training=batch_matmul_training,
    positive=as_operands,
    run_float=batch_matmul_float,
    integer=Kernel(prepare_batch_matmul, run_batch_matmul),
    output_scales=product_of_matrices(_terms),
    obstacle=_overflowing,
    # LiteRT multiplies the three scales in float32, so that its factor differs by 2**-24 and results by a step at ties.
    exact=False,
    version=version_by_type(int8=2, int16=3),
    keras={
        "ops.Matmul": KerasForm(lower_matmul, lambda keras: (lambda x, y: keras.ops.matmul(x, y), ((4, 6), (6, 5)))),
    },
    examples=(
        Example(((1, 4, 6), (1, 6, 5)), options=BatchMatMulOptions(), low=-1.0, high=5.0),
        Example(((1, 2, 3, 7), (1, 2, 5, 7)), options=BatchMatMulOptions(adj_y=True)),
        Example(((1, 4, 3), (1, 4, 8)), options=BatchMatMulOptions(adj_x=True), low=-5.0, high=1.0),
        Example(((1, 3, 4, 6), None), {1: _normal(6, 5)}, BatchMatMulOptions()),
    ),
)

SPECS = (FULLY_CONNECTED, BATCH_MATMUL)
