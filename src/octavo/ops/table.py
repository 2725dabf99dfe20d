"""The op table: every family's rows, by TensorFlow Lite name and by Keras name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from octavo.ops import (
    activation,
    bits,
    cast,
    composite,
    conv,
    convert,
    copies,
    dense,
    elementwise,
    indices,
    join,
    lookup,
    pad,
    parts,
    pool,
    ranking,
    real_functions,
    recurrent,
    reduce,
    resize,
    shape,
    sigmoid,
    slices,
    softmax,
    space,
    truth,
    unary,
)
from octavo.ops.spec import KerasForm, OpSpec
from octavo.ops.stored import stored_row
from octavo.ops.written import FORMS as WRITTEN

FAMILIES = (
    conv,
    dense,
    pool,
    reduce,
    elementwise,
    activation,
    sigmoid,
    softmax,
    unary,
    lookup,
    join,
    shape,
    pad,
    slices,
    parts,
    indices,
    copies,
    ranking,
    truth,
    bits,
    cast,
    real_functions,
    space,
    resize,
    recurrent,
    convert,
)

OPS: Mapping[str, OpSpec] = MappingProxyType({spec.name: spec for family in FAMILIES for spec in family.SPECS})

KERAS_FORMS: Mapping[str, KerasForm] = MappingProxyType(
    {name: form for spec in OPS.values() for name, form in spec.keras.items()} | composite.FORMS | dict(WRITTEN)
)


def spec_of(op: str) -> OpSpec:
    """The row of an operator; one that the table does not have gets that of operators kept as a file stores them."""
    return OPS.get(op) or stored_row(op)
