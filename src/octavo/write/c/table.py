"""Which operators have C kernels, and how each is lowered to them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from octavo.dtypes import DType
from octavo.errors import UnsupportedLayerError
from octavo.ir.graph import results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.operands import data_inputs
from octavo.ops.table import OPS
from octavo.write.c.call import Call, Lowering
from octavo.write.c.moves import lower_alias, lower_move
from octavo.write.c.plain import (
    lower_extreme,
    lower_look_up,
    lower_mul,
    lower_pool,
    lower_prelu,
    lower_reduce,
    lower_resize_bilinear,
    lower_softmax,
    lower_squared_difference,
    lower_sum,
)
from octavo.write.c.weighted import lower_conv, lower_depthwise, lower_fully_connected, lower_transpose_conv

LOWERINGS: Mapping[str, Lowering] = MappingProxyType(
    {
        "CONV_2D": lower_conv,
        "DEPTHWISE_CONV_2D": lower_depthwise,
        "FULLY_CONNECTED": lower_fully_connected,
        "TRANSPOSE_CONV": lower_transpose_conv,
        "MAX_POOL_2D": lower_pool("octavo_max_pool_rows"),
        "AVERAGE_POOL_2D": lower_pool("octavo_average_pool_rows"),
        "ADD": lower_sum,
        "SUB": lower_sum,
        "MUL": lower_mul,
        "PRELU": lower_prelu,
        "SQUARED_DIFFERENCE": lower_squared_difference,
        "MAXIMUM": lower_extreme("octavo_maximum"),
        "MINIMUM": lower_extreme("octavo_minimum"),
        "SOFTMAX": lower_softmax,
        "MEAN": lower_reduce("octavo_reduce_sum"),
        "SUM": lower_reduce("octavo_reduce_sum"),
        "REDUCE_MAX": lower_reduce("octavo_reduce_max"),
        "REDUCE_MIN": lower_reduce("octavo_reduce_min"),
        "RESIZE_BILINEAR": lower_resize_bilinear,
        **dict.fromkeys((name for name, spec in OPS.items() if spec.reshapes), lower_alias),
        **dict.fromkeys(
            (
                "TRANSPOSE",
                "PAD",
                "PADV2",
                "MIRROR_PAD",
                "CONCATENATION",
                "PACK",
                "SLICE",
                "STRIDED_SLICE",
                "SPACE_TO_DEPTH",
                "DEPTH_TO_SPACE",
                "RESIZE_NEAREST_NEIGHBOR",
                "BROADCAST_TO",
                "REVERSE_V2",
                "GATHER",
            ),
            lower_move,
        ),
        **dict.fromkeys(
            (
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
            ),
            lower_look_up,
        ),
    }
)


# With weights held in as many bits as products take: more flash, fewer instructions.
_FASTER: Mapping[str, Lowering] = MappingProxyType(
    {"CONV_2D": partial(lower_conv, widen=True), "FULLY_CONNECTED": partial(lower_fully_connected, widen=True)}
)


def lower(graph: Graph, node: Node, prefix: str, *, fast: bool = False) -> Call:
    """One operator in C.

    Args:
        graph: int8 activations; weights int8 or int4.
        node: Of it.
        prefix: For the names of its constants.
        fast: Take flash for speed.

    Raises:
        UnsupportedLayerError: if the operator has no C kernel, or works on another type than int8.
    """
    if node.op not in LOWERINGS or type(node.options) is not OPS[node.op].options:
        raise UnsupportedLayerError(
            f"{node.op} in layer '{node.layer}' has no C kernel.",
            got=f"{node.op} with {node.options}",
            expected=", ".join(sorted(LOWERINGS)),
            fix="replace the layer by ones that become these operators, or run the .tflite with TensorFlow Lite Micro",
        )
    for tensor in (*data_operands(graph, node), *results(graph, node)):
        if tensor.dtype is not DType.INT8 or tensor.quantization is None:
            raise UnsupportedLayerError(
                f"{node.op} in layer '{node.layer}' works on {tensor.dtype.value}, for which there are no C kernels.",
                got=f"tensor '{tensor.name}' of type {tensor.dtype.value}",
                expected="int8 activations, in and out",
                fix="quantize the float model with scheme='int8', leave input and output types at int8, and keep "
                f"int16 out of layers, with layers=[octavo.LayerConfig('{node.layer}', activations='int8')]",
            )
    chosen = _FASTER.get(node.op, LOWERINGS[node.op]) if fast else LOWERINGS[node.op]
    return chosen(graph, node, prefix)


def data_operands(graph: Graph, node: Node) -> tuple[Tensor, ...]:
    """Operands that a kernel reads as activations: neither parameters nor weights nor bias."""
    return tuple(graph.tensors[name] for _, name in data_inputs(graph, node))
