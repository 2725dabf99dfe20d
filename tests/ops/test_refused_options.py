"""Options of operators that the op table has no form for."""

from __future__ import annotations

import pytest

from octavo.errors import UnsupportedLayerError
from octavo.ops.text import parse_graph


@pytest.mark.parametrize("option", ["ellipsis_mask=1", "new_axis_mask=2", "offset=True"])
def test_a_slice_as_only_other_converters_write_it_is_refused(option: str) -> None:
    text = f"""
        input x: float32[1,4]
        const begin: int32[2] = 0 0
        const end: int32[2] = 1 2
        const strides: int32[2] = 1 1
        y = STRIDED_SLICE(x, begin, end, strides) {{{option}}}
        output y
    """
    with pytest.raises(UnsupportedLayerError, match=r"fix: +write the slice with one index for each dimension"):
        parse_graph(text)
