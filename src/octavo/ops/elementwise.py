"""ADD, SUB, MUL, MAXIMUM, MINIMUM: two tensors, element by element, broadcast."""

from __future__ import annotations

from octavo.ops.spec import OpSpec

SPECS: tuple[OpSpec, ...] = ()
