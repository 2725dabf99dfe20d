"""Operators without a row: kept as the file that they came in stores them, and run by LiteRT alone, in float."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NoReturn

import numpy as np

from octavo.dtypes import DType
from octavo.errors import GraphError, UnsupportedLayerError
from octavo.ir.inputs import Inputs
from octavo.ir.types import Node, Options, Shape, Tensor
from octavo.ops.roles import Data
from octavo.ops.spec import OpSpec

Value = int | float | bool | str | tuple[int, ...] | None
# Behind the name of an operator that has a row, but none for what the file says of it.
AS_STORED = "(as stored)"
# Of those that files are known to end in, the ones that rank what enters them.
_RANKING = frozenset({"CUSTOM(TFLite_Detection_PostProcess)"})


@dataclass(frozen=True, slots=True)
class StoredOperator(Options):
    """An operator as a file stores it.

    Attributes:
        values: (name in the schema, value) of each option that is not the schema's default, for people to read.
        content: A .tflite file of this operator alone, with the subgraphs it runs. Its inputs that are not constants
            are the file's, in order, and its results the file's outputs.
        shapes, dtypes: Of its results.
    """

    values: tuple[tuple[str, Value], ...] = ()
    content: bytes = b""
    shapes: tuple[Shape, ...] = ()
    dtypes: tuple[DType, ...] = ()


@cache
def stored_row(op: str) -> OpSpec:
    """The row of an operator that the table has none for: any inputs, float results, no kernel but LiteRT's."""

    def shapes(options: Options, inputs: Inputs[Tensor]) -> tuple[Shape, ...]:
        return _stored(op, options).shapes

    def types(options: Options, inputs: Inputs[Tensor]) -> tuple[DType, ...]:
        return _stored(op, options).dtypes

    return OpSpec(
        name=op,
        options=StoredOperator,
        inputs=(Data(),),
        variadic=True,
        ranks=op in _RANKING,
        shapes=shapes,
        types=types,
        run_float=_no_reference,
        micro=frozenset(),
        activations=frozenset(),
    )


def _stored(op: str, options: Options) -> StoredOperator:
    """The options of an operator without a row, which only a file has.

    Raises:
        UnsupportedLayerError: if they come from elsewhere.
    """
    if isinstance(options, StoredOperator):
        return options
    raise UnsupportedLayerError(
        f"operator {op} is not in the op table.",
        got=op,
        expected="an operator that `octavo ops` lists",
        fix="replace the operator, or add a row for it (CONTRIBUTING.md shows how)",
    )


def _no_reference(options: Options, arrays: Inputs[np.ndarray]) -> NoReturn:
    raise GraphError(
        "an operator without a row was run by the reference kernels.",
        got="an operator that a file stores",
        expected="operators of the op table",
        fix="run the graph with octavo.run.reference, which lets LiteRT run these",
    )


def is_random(node: Node) -> bool:
    """Whether an operator makes other values in every run."""
    return isinstance(node.options, StoredOperator) and ("RANDOM" in node.op or node.op == "MULTINOMIAL")
