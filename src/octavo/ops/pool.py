"""MAX_POOL_2D, AVERAGE_POOL_2D: windows without weights."""

from __future__ import annotations

from octavo.ops.spec import OpSpec

SPECS: tuple[OpSpec, ...] = ()
