"""Operator versions that follow from the element type alone."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Tensor
from octavo.ops.spec import Version


def version_by_type(*, int8: int = 1, int16: int = 1, other: int = 1) -> Version:
    """A version rule that looks at the type of the first input.

    Source: tflite/converter/tools/versioning/op_version.cc.
    """
    versions = {DType.INT8: int8, DType.INT16: int16}

    def version(inputs: Inputs[Tensor], outputs: Sequence[Tensor]) -> int:
        return versions.get(inputs[0].dtype, other)

    return version
