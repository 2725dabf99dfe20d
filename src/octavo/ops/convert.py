"""QUANTIZE, DEQUANTIZE: between reals and integers."""

from __future__ import annotations

from octavo.ops.spec import OpSpec

SPECS: tuple[OpSpec, ...] = ()
