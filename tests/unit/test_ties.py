"""No factor of 16 bits lies where kernels that compute it in float32 and in float64 round it apart."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.dtypes import DType
from octavo.ops.limits import Scales
from octavo.plan.types import Member
from octavo.quantization.parameters import settle_parameters
from plan_graphs import planned

PRODUCT = """
    graph attention
    input x: float32[1,4,4]
    input y: float32[1,4,4]
    joined = BATCH_MATMUL(x, y) @scores
    output joined
"""


def scales(reach: float) -> tuple[float, float, float]:
    """Of both operands and of the result, whose values go so far."""
    graph, plan = planned(PRODUCT, "int16x8")
    found = settle_parameters(graph, plan, {"x": (-1.7, 1.7), "y": (-0.3, 0.3), "joined": (-reach, reach)}).activations
    x, y, joined = (float(found[Member(name, DType.INT16)].scale[0]) for name in ("x", "y", "joined"))
    return x, y, joined


@pytest.mark.parametrize("steps", [16385.5, 20000.5, 32766.5, 24576.5 + 2.0**-10, 24576.5 - 2.0**-10])
def test_a_product_of_activations_is_moved_off_a_tie(steps: float) -> None:
    x, y, of_one = scales(1.0)
    on_tie = x * y / steps * 2.0**27
    assert Scales(product=x * y).is_on_tie(on_tie)
    _, _, chosen = scales(on_tie / of_one)
    assert chosen == pytest.approx(on_tie, rel=2.0**-18)
    quotients = (x * y / chosen, float(np.float32(x) * np.float32(y)) / chosen)
    assert len({round(float(np.frexp(each)[0]) * 2**15) for each in quotients}) == 1
    assert not Scales(product=x * y).is_on_tie(chosen)
