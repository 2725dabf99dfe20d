"""Which operators have C kernels, and how each is lowered to them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from octavo.dtypes import DType
from octavo.errors import UnsupportedLayerError
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.operands import data_inputs, real_outputs, working_type
from octavo.ops.table import OPS
from octavo.write.c.call import Call, Lowering
from octavo.write.c.choices import lower_arg, lower_select
from octavo.write.c.cmsis_nn import with_cmsis_nn
from octavo.write.c.matrices import lower_batch_matmul
from octavo.write.c.moves import lower_alias, lower_move
from octavo.write.c.plain import (
    lower_extreme,
    lower_mul,
    lower_pool,
    lower_prelu,
    lower_reduce,
    lower_resize_bilinear,
    lower_sum,
    lower_sum_of_places,
)
from octavo.write.c.pointwise import lower_interpolated, lower_line, lower_look_up, lower_sigmoid
from octavo.write.c.recurrent import lower_lstm
from octavo.write.c.softmaxes import lower_log_softmax, lower_softmax, lower_softmax_16
from octavo.write.c.weighted import lower_conv, lower_depthwise, lower_fully_connected, lower_transpose_conv
from octavo.write.c.weighted_16 import (
    lower_conv_16,
    lower_depthwise_16,
    lower_fully_connected_16,
    lower_transpose_conv_16,
)

_MOVES = (
    "TRANSPOSE",
    "PAD",
    "PADV2",
    "MIRROR_PAD",
    "CONCATENATION",
    "PACK",
    "UNPACK",
    "SLICE",
    "STRIDED_SLICE",
    "SPLIT",
    "SPLIT_V",
    "SPACE_TO_DEPTH",
    "DEPTH_TO_SPACE",
    "RESIZE_NEAREST_NEIGHBOR",
    "BROADCAST_TO",
    "TILE",
    "REVERSE_V2",
    "GATHER",
    "GATHER_ND",
)
_FUNCTIONS = (
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "LEAKY_RELU",
    "LOGISTIC",
    "TANH",
    "HARD_SWISH",
    "ELU",
    "GELU",
    "EXP",
    "LOG",
    "ABS",
    "SQRT",
    "RSQRT",
    "QUANTIZE",
)
_OF_ANY_WIDTH = {
    **dict.fromkeys((name for name, spec in OPS.items() if spec.reshapes), lower_alias),
    **dict.fromkeys(_MOVES, lower_move),
}

LOWERINGS: Mapping[DType, Mapping[str, Lowering]] = MappingProxyType(
    {
        DType.INT8: MappingProxyType(
            {
                **_OF_ANY_WIDTH,
                **dict.fromkeys(_FUNCTIONS, lower_look_up),
                "CONV_2D": lower_conv,
                "DEPTHWISE_CONV_2D": lower_depthwise,
                "FULLY_CONNECTED": lower_fully_connected,
                "TRANSPOSE_CONV": lower_transpose_conv,
                "BATCH_MATMUL": lower_batch_matmul("octavo_batch_matmul_8", sixteen=False),
                "MAX_POOL_2D": lower_pool("octavo_max_pool_rows"),
                "AVERAGE_POOL_2D": lower_pool("octavo_average_pool_rows"),
                "ADD": lower_sum,
                "SUB": lower_sum,
                "MUL": lower_mul("octavo_mul"),
                "PRELU": lower_prelu,
                "SQUARED_DIFFERENCE": lower_sum_of_places("octavo_squared_difference"),
                "MAXIMUM": lower_extreme("octavo_maximum"),
                "MINIMUM": lower_extreme("octavo_minimum"),
                "SOFTMAX": lower_softmax,
                "LOG_SOFTMAX": lower_log_softmax,
                "MEAN": lower_reduce("octavo_reduce_sum"),
                "SUM": lower_reduce("octavo_reduce_sum"),
                "REDUCE_MAX": lower_reduce("octavo_reduce_max"),
                "REDUCE_MIN": lower_reduce("octavo_reduce_min"),
                "RESIZE_BILINEAR": lower_resize_bilinear("octavo_resize_bilinear_rows"),
                "ARG_MAX": lower_arg("octavo_arg_max"),
                "ARG_MIN": lower_arg("octavo_arg_min"),
                "SELECT_V2": lower_select("octavo_select_8"),
                "UNIDIRECTIONAL_SEQUENCE_LSTM": lower_lstm,
            }
        ),
        DType.INT16: MappingProxyType(
            {
                **{op: how for op, how in _OF_ANY_WIDTH.items() if DType.INT16 in OPS[op].activations},
                **dict.fromkeys(("RELU", "RELU6", "LEAKY_RELU", "ABS", "QUANTIZE"), lower_line),
                **dict.fromkeys(("GELU", "EXP"), lower_interpolated),
                "LOGISTIC": lower_sigmoid("octavo_logistic_16"),
                "TANH": lower_sigmoid("octavo_tanh_16"),
                "CONV_2D": lower_conv_16,
                "DEPTHWISE_CONV_2D": lower_depthwise_16,
                "FULLY_CONNECTED": lower_fully_connected_16,
                "TRANSPOSE_CONV": lower_transpose_conv_16,
                "BATCH_MATMUL": lower_batch_matmul("octavo_batch_matmul_16", sixteen=True),
                "MAX_POOL_2D": lower_pool("octavo_max_pool_rows_16"),
                "AVERAGE_POOL_2D": lower_pool("octavo_average_pool_rows_16"),
                "ADD": lower_sum_of_places("octavo_sum_16"),
                "SUB": lower_sum_of_places("octavo_sum_16"),
                "MUL": lower_mul("octavo_mul_16"),
                "MAXIMUM": lower_extreme("octavo_maximum_16"),
                "MINIMUM": lower_extreme("octavo_minimum_16"),
                "SOFTMAX": lower_softmax_16,
                "MEAN": lower_reduce("octavo_reduce_sum_16"),
                "SUM": lower_reduce("octavo_reduce_sum_16"),
                "REDUCE_MAX": lower_reduce("octavo_reduce_max_16"),
                "REDUCE_MIN": lower_reduce("octavo_reduce_min_16"),
                "RESIZE_BILINEAR": lower_resize_bilinear("octavo_resize_bilinear_rows_16"),
                "SELECT_V2": lower_select("octavo_select_16"),
            }
        ),
        DType.UINT8: MappingProxyType({"QUANTIZE": lower_look_up}),
    }
)
"""How each operator becomes C, by the type it works on."""


# With weights held in as many bits as products take: more flash, fewer instructions.
_FASTER: Mapping[str, Lowering] = MappingProxyType(
    {"CONV_2D": partial(lower_conv, widen=True), "FULLY_CONNECTED": partial(lower_fully_connected, widen=True)}
)


def lower(graph: Graph, node: Node, prefix: str, *, fast: bool = False, cmsis_nn: bool = False) -> Call:
    """One operator in C.

    Args:
        graph: Integer activations; weights int8 or int4.
        node: Of it.
        prefix: For the names of its constants.
        fast: Take flash for speed.
        cmsis_nn: Let the build choose CMSIS-NN's kernel instead, where there is one.

    Raises:
        UnsupportedLayerError: if the operator has no C kernel, or none for the type it works on.
    """
    known = {op for table in LOWERINGS.values() for op in table}
    if node.op not in known or type(node.options) is not OPS[node.op].options:
        raise UnsupportedLayerError(
            f"{node.op} in layer '{node.layer}' has no C kernel.",
            got=f"{node.op} with {node.options}",
            expected=", ".join(sorted(known)),
            fix="replace the layer by ones that become these operators, or run the .tflite with TensorFlow Lite Micro",
        )
    dtype = working_type(graph, node)
    for tensor in (*data_operands(graph, node), *(graph.tensors[name] for name in real_outputs(graph, node))):
        table = LOWERINGS.get(tensor.dtype, {}) if tensor.quantization is not None else {}
        if node.op not in table or not (tensor.dtype is dtype or OPS[node.op].converts):
            raise UnsupportedLayerError(
                f"{node.op} in layer '{node.layer}' works on {tensor.dtype.value}, for which there are no C kernels.",
                got=f"tensor '{tensor.name}' of type {tensor.dtype.value}",
                expected=", ".join(dtype.value for dtype, ops in LOWERINGS.items() if node.op in ops),
                fix="quantize the float model with scheme='int8', and leave input and output types at int8",
            )
    chosen = LOWERINGS[dtype][node.op]
    if fast and dtype is DType.INT8:
        chosen = _FASTER.get(node.op, chosen)
    own = chosen(graph, node, prefix)
    return with_cmsis_nn(graph, node, prefix, own) if cmsis_nn else own


def data_operands(graph: Graph, node: Node) -> tuple[Tensor, ...]:
    """Operands that a kernel reads as activations: neither parameters nor weights nor bias."""
    return tuple(graph.tensors[name] for _, name in data_inputs(graph, node))
