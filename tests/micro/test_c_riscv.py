"""Every operator that has a C kernel, on a RISC-V core: bit for bit what the integer reference computes."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_c_kernels import ON_CORE, all_cases

from riscv import NEEDS_RISCV


@pytest.mark.parametrize("names", [pytest.param(ON_CORE, marks=NEEDS_RISCV, id="every operator")])
def test_operators_equal_the_reference_on_another_instruction_set(names: list[str], tmp_path: Path) -> None:
    bundle = all_cases(names)
    made = bundle.on_riscv(tmp_path)
    assert [name for name in names if (made[name] != bundle.expected(name)).any()] == []
