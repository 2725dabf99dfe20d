"""Where results of an operator cannot be negative, so that nothing cancels in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Signs = Callable[[Sequence[bool], bool], bool]
"""Whether no result is negative, given for each operand but parameters whether it has no negative value, and whether
all of them are one tensor."""


def unknown(positive: Sequence[bool], same: bool) -> bool:
    """Nothing is known."""
    return False


def as_operands(positive: Sequence[bool], same: bool) -> bool:
    """As sums, averages, choices and moves: where no operand has a negative value."""
    return all(positive)


def as_factors(positive: Sequence[bool], same: bool) -> bool:
    """As products: likewise, and where a value is multiplied by itself."""
    return same or all(positive)
