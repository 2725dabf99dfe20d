"""PAD, PADV2, MIRROR_PAD: a border around the values."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import NoOptions, Options, Shape, Tensor
from octavo.ops.channelwise import where_no_channel_is_added
from octavo.ops.identity import where_the_shape_stays
from octavo.ops.indices import GatherOptions
from octavo.ops.refuse import require_channels_last
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import integers, moves
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, Kernel, OpSpec
from octavo.ops.version import version_by_type

Pads = Sequence[Sequence[int]]


class MirrorMode(enum.IntEnum):
    """Values of the schema's `MirrorPadMode`."""

    REFLECT = 0
    SYMMETRIC = 1


@dataclass(frozen=True, slots=True)
class MirrorPadOptions(Options):
    """Options of MIRROR_PAD."""

    table = "MirrorPadOptions"
    mode: MirrorMode = MirrorMode.REFLECT


def pad_shapes(options: Options, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Each dimension grows by its two paddings; paddings have shape (rank, 2)."""
    x, pads = inputs[0], integers(inputs[1])
    return (tuple(size + sum(pads[2 * i : 2 * i + 2]) for i, size in enumerate(x.shape)),)


def pad_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of PAD: zeros around the values."""
    x, pads = inputs
    return (np.pad(x, pads),)


@dataclass(frozen=True, slots=True)
class PadConstants:
    """What PAD runs with.

    Attributes:
        fill: The integer of 0.0.
    """

    fill: int


def prepare_pad(options: NoOptions, inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> PadConstants:
    """The constants of PAD."""
    return PadConstants(inputs[0].zero_point)


def run_pad(constants: PadConstants, arrays: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Integer reference of PAD.

    Source: tensorflow/lite/micro/kernels/pad.cc.
    """
    x, pads = arrays
    return (np.pad(x, pads, constant_values=constants.fill),)


def padv2_float(options: NoOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of PADV2: the third input, a scalar, around the values."""
    x, pads, value = inputs
    return (np.pad(x, pads, constant_values=value.item()),)


def mirror_pad_float(options: MirrorPadOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of MIRROR_PAD: the values mirrored, about the outermost (reflect) or including it (symmetric)."""
    x, pads = inputs
    mode = "reflect" if options.mode is MirrorMode.REFLECT else "symmetric"
    return (np.pad(x, pads, mode=mode),)  # type: ignore[call-overload]


def pad_training(ops: Any) -> Any:
    """PAD and PADV2 on Keras tensors."""
    return lambda x, pads, value=None: ops.pad(
        x, pads.tolist(), constant_values=None if value is None else float(np.ravel(value)[0])
    )


def mirror_pad_training(ops: Any) -> Any:
    """MIRROR_PAD on Keras tensors: values from the places that NumPy tells, as backends pad differently."""

    def run(x: Any, pads: np.ndarray, mode: int) -> Any:
        for axis, pair in enumerate(pads.tolist()):
            if any(pair):
                places = np.pad(np.arange(x.shape[axis]), pair, mode=MirrorMode(mode).name.lower())  # type: ignore[call-overload]
                x = ops.take(x, places, axis=axis)
        return x

    return run


def emit_pad(b: Emitter, name: str, pads: Pads, *, suffix: str = "pad") -> str:
    """Put zeros around tensor `name`, (before, after) for every dimension, batch included."""
    return b.emit("PAD", [name, _paddings(b, pads, suffix)], suffix=suffix)


def _paddings(b: Emitter, pads: Pads, suffix: str) -> str:
    return b.constant(np.array(pads, np.int32), f"{suffix}/paddings" if suffix else "paddings")


def lower_zero_padding(b: Emitter, call: KerasCall) -> str:
    """keras.layers.ZeroPadding1D and 2D."""
    layer = call.operation
    if hasattr(layer, "data_format"):
        require_channels_last(layer)
    padding = layer.padding
    pads = padding if isinstance(padding[0], Sequence) else [padding]
    return emit_pad(b, call.inputs[0], [(0, 0), *pads, (0, 0)], suffix="")


MIRRORED = frozenset({"reflect", "symmetric"})


def lower_pad(b: Emitter, call: KerasCall) -> str:
    """keras.ops.pad: one pair for all dimensions or one for each, by a constant or by values from other places."""
    operation, (x,) = call.operation, call.inputs
    shape = b.shape(x)
    pads = np.broadcast_to(np.array(operation.pad_width), (len(shape), 2)).tolist()
    if operation.mode == "constant":
        value = _constant_value(call)
        if value == 0.0:
            return emit_pad(b, x, pads, suffix="")
        constant = b.constant(np.array(value, np.float32), "value")
        return b.emit("PADV2", [x, _paddings(b, pads, ""), constant])
    if operation.mode not in MIRRORED or any(
        max(pair) > size - (operation.mode == "reflect") for size, pair in zip(shape, pads, strict=True)
    ):
        return _taken(b, x, pads, operation.mode)
    return b.emit("MIRROR_PAD", [x, _paddings(b, pads, "")], MirrorPadOptions(MirrorMode[operation.mode.upper()]))


def _taken(b: Emitter, name: str, pads: list[list[int]], mode: Any) -> str:
    """A border of values from other places, which NumPy tells; axis by axis."""
    for axis, (size, pair) in enumerate(zip(b.shape(name), pads, strict=True)):
        if any(pair):
            places = np.pad(np.arange(size, dtype=np.int32), (pair[0], pair[1]), mode=mode)
            name = b.emit("GATHER", [name, b.constant(places, f"places_{axis}")], GatherOptions(axis))
    return name


def _constant_value(call: KerasCall) -> float:
    value: Any = call.kwargs.get("constant_values", call.args[1] if len(call.args) > 1 else None)
    return 0.0 if value is None else float(value)


def _pads(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, np.int32)


_IMAGE_PADS = _pads((0, 0), (1, 2), (0, 1), (0, 0))

PAD = OpSpec(
    name="PAD",
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=pad_shapes,
    identity=where_the_shape_stays,
    channelwise=where_no_channel_is_added,
    training=pad_training,
    run_float=pad_float,
    integer=Kernel(prepare_pad, run_pad),
    version=version_by_type(int8=2, int16=3),
    keras={
        "layers.ZeroPadding1D": KerasForm(
            lower_zero_padding, lambda keras: (keras.layers.ZeroPadding1D((1, 2)), ((4, 3),))
        ),
        "layers.ZeroPadding2D": KerasForm(
            lower_zero_padding, lambda keras: (keras.layers.ZeroPadding2D(((0, 1), (2, 0))), ((4, 5, 2),))
        ),
        "ops.Pad": KerasForm(
            lower_pad, lambda keras: (lambda x: keras.ops.pad(x, ((0, 0), (1, 1), (0, 2))), ((4, 3),))
        ),
    },
    examples=(
        Example(((1, 4, 5, 2), None), {1: _IMAGE_PADS}),
        Example(((1, 4, 3), None), {1: _pads((0, 0), (0, 0), (2, 1))}),
    ),
)

PADV2 = OpSpec(
    name="PADV2",
    micro_name="PadV2",
    inputs=(Data(), Parameter(), Data()),
    outputs=(SameAsInput(moves=True),),
    shapes=pad_shapes,
    identity=where_the_shape_stays,
    training=pad_training,
    run_float=padv2_float,
    integer=moves(padv2_float),
    version=version_by_type(int8=2, int16=3),
    examples=(
        Example(((1, 4, 5, 2), None, None), {1: _IMAGE_PADS, 2: np.array(-4.0, np.float32)}),
        Example(((1, 4, 3), None, None), {1: _pads((0, 0), (1, 0), (2, 1)), 2: np.array(1.5, np.float32)}),
    ),
)

MIRROR_PAD = OpSpec(
    name="MIRROR_PAD",
    options=MirrorPadOptions,
    inputs=(Data(), Parameter()),
    outputs=(SameAsInput(moves=True),),
    shapes=pad_shapes,
    identity=where_the_shape_stays,
    channelwise=where_no_channel_is_added,
    passes_offsets=True,
    training=mirror_pad_training,
    run_float=mirror_pad_float,
    integer=moves(mirror_pad_float),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=2, int16=3),
    examples=(
        Example(((1, 4, 5, 2), None), {1: _IMAGE_PADS}, MirrorPadOptions(MirrorMode.REFLECT)),
        Example(((1, 4, 3), None), {1: _pads((0, 0), (4, 1), (0, 2))}, MirrorPadOptions(MirrorMode.SYMMETRIC)),
    ),
)

SPECS = (PAD, PADV2, MIRROR_PAD)
