"""SPACE_TO_DEPTH, DEPTH_TO_SPACE: blocks of pixels become channels, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.roles import SameAsInput
from octavo.ops.shape import moves
from octavo.ops.spec import Example, OpSpec
from octavo.ops.version import version_by_type


@dataclass(frozen=True, slots=True)
class SpaceToDepthOptions(Options):
    """Options of SPACE_TO_DEPTH."""

    table = "SpaceToDepthOptions"
    block_size: int = 1


@dataclass(frozen=True, slots=True)
class DepthToSpaceOptions(Options):
    """Options of DEPTH_TO_SPACE."""

    table = "DepthToSpaceOptions"
    block_size: int = 1


def space_to_depth_shapes(options: SpaceToDepthOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[n, h, w, c] -> [n, h / block, w / block, c * block * block]."""
    x, block = inputs[0], options.block_size
    n, height, width, channels = x.shape
    return ((n, height // block, width // block, channels * block * block),)


def space_to_depth_float(options: SpaceToDepthOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of SPACE_TO_DEPTH: the pixels of a block, row by row, side by side."""
    x, block = inputs[0], options.block_size
    n, height, width, channels = x.shape
    blocks = x.reshape(n, height // block, block, width // block, block, channels).transpose(0, 1, 3, 2, 4, 5)
    return (blocks.reshape(n, height // block, width // block, -1),)


def depth_to_space_shapes(options: DepthToSpaceOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """[n, h, w, c] -> [n, h * block, w * block, c / (block * block)]."""
    x, block = inputs[0], options.block_size
    n, height, width, channels = x.shape
    return ((n, height * block, width * block, channels // (block * block)),)


def depth_to_space_float(options: DepthToSpaceOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of DEPTH_TO_SPACE: the inverse of SPACE_TO_DEPTH."""
    x, block = inputs[0], options.block_size
    n, height, width, _ = x.shape
    blocks = x.reshape(n, height, width, block, block, -1).transpose(0, 1, 3, 2, 4, 5)
    return (blocks.reshape(n, height * block, width * block, -1),)


SPACE_TO_DEPTH = OpSpec(
    name="SPACE_TO_DEPTH",
    options=SpaceToDepthOptions,
    outputs=(SameAsInput(),),
    shapes=space_to_depth_shapes,
    run_float=space_to_depth_float,
    integer=moves(space_to_depth_float),
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    version=version_by_type(int8=2),
    examples=(
        Example(((1, 4, 6, 3),), options=SpaceToDepthOptions(2)),
        Example(((1, 6, 3, 1),), options=SpaceToDepthOptions(3)),
    ),
)

DEPTH_TO_SPACE = OpSpec(
    name="DEPTH_TO_SPACE",
    options=DepthToSpaceOptions,
    outputs=(SameAsInput(),),
    shapes=depth_to_space_shapes,
    run_float=depth_to_space_float,
    integer=moves(depth_to_space_float),
    activations=frozenset({DType.INT8}),
    micro=frozenset({DType.FLOAT32, DType.INT8}),
    # Version 1 for int8 too: the converter writes 2, but LiteRT's reference resolver knows 1 only, by the same kernel.
    examples=(
        Example(((1, 3, 2, 8),), options=DepthToSpaceOptions(2)),
        Example(((1, 2, 1, 9),), options=DepthToSpaceOptions(3)),
    ),
)

SPECS = (SPACE_TO_DEPTH, DEPTH_TO_SPACE)
