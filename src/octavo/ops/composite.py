"""Keras layers, activations and operations that have no single operator: each becomes several."""

from __future__ import annotations

from octavo.ops.spec import KerasForm

FORMS: dict[str, KerasForm] = {}
