"""tfmot's only scheme that has a name."""

from __future__ import annotations


class Default8BitQuantizeScheme:
    """int8 weights per output channel and int8 activations; the only scheme tfmot had by name."""
