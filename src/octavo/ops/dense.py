"""FULLY_CONNECTED: products of every input with every output."""

from __future__ import annotations

from octavo.ops.spec import OpSpec

SPECS: tuple[OpSpec, ...] = ()
