"""SPLIT, SPLIT_V: a tensor in parts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Shape, Tensor
from octavo.ops.roles import Data, Parameter, SameAsInput
from octavo.ops.shape import integers, moves, placeholder
from octavo.ops.spec import Example, OpSpec
from octavo.ops.version import version_by_type


@dataclass(frozen=True, slots=True)
class SplitOptions(Options):
    """Options of SPLIT: how many parts of one length."""

    table = "SplitOptions"
    num_splits: int = 1


@dataclass(frozen=True, slots=True)
class SplitVOptions(Options):
    """Options of SPLIT_V: how many parts."""

    table = "SplitVOptions"
    num_splits: int = 1


def split_shapes(options: SplitOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Equal parts of the axis."""
    axis, x = inputs
    return tuple(part.shape for part in np.split(placeholder(x.shape), options.num_splits, integers(axis)[0]))


def split_float(options: SplitOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of SPLIT."""
    axis, x = inputs
    return tuple(part.copy() for part in np.split(x, options.num_splits, int(axis.ravel()[0])))


def _cuts(lengths: Sequence[int], whole: int) -> list[int]:
    """Where parts of these lengths end; one length may be -1, for the rest."""
    rest = whole - sum(length for length in lengths if length >= 0)
    return list(itertools.accumulate(rest if length < 0 else length for length in lengths))[:-1]


def split_v_shapes(options: SplitVOptions, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
    """Parts of the lengths that are given."""
    x, lengths, axis = inputs
    place = integers(axis)[0]
    cuts = _cuts(integers(lengths), x.shape[place])
    return tuple(part.shape for part in np.split(placeholder(x.shape), cuts, place))


def split_v_float(options: SplitVOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of SPLIT_V."""
    x, lengths, axis = inputs
    place = int(axis.ravel()[0])
    return tuple(part.copy() for part in np.split(x, _cuts(lengths.tolist(), x.shape[place]), place))


def split_version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
    """SPLIT: 1, int8 2, int16 4.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    return {DType.INT8: 2, DType.INT16: 4}.get(inputs[1].dtype, 1)


def _ints(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


SPLIT = OpSpec(
    name="SPLIT",
    options=SplitOptions,
    inputs=(Parameter(), Data()),
    outputs=(SameAsInput(moves=True, numbers_alone=True),),
    shapes=split_shapes,
    run_float=split_float,
    integer=moves(split_float),
    version=split_version,
    micro=frozenset({DType.FLOAT32, DType.INT8, DType.INT16, DType.INT32}),
    examples=(
        Example((None, (1, 6, 4)), {0: np.array(1, np.int32)}, SplitOptions(3)),
        Example((None, (1, 5, 8)), {0: np.array(-1, np.int32)}, SplitOptions(2), low=-1.0, high=5.0),
    ),
)

SPLIT_V = OpSpec(
    name="SPLIT_V",
    options=SplitVOptions,
    inputs=(Data(), Parameter(), Parameter()),
    outputs=(SameAsInput(moves=True, numbers_alone=True),),
    shapes=split_v_shapes,
    run_float=split_v_float,
    integer=moves(split_v_float),
    version=version_by_type(int8=2, int16=2),
    examples=(
        Example(((1, 6, 4), None, None), {1: _ints(1, 3, 2), 2: np.array(1, np.int32)}, SplitVOptions(3)),
        Example(((1, 5, 8), None, None), {1: _ints(3, -1), 2: np.array(2, np.int32)}, SplitVOptions(2), low=-1.0),
    ),
)

SPECS = (SPLIT, SPLIT_V)
