"""The causes that diagnosis knows, one file each; earlier ones explain what later ones would also find."""

from __future__ import annotations

from octavo.diagnosis.causes import (
    accumulator,
    coarse_layer,
    cut_ranges,
    far_from_zero,
    few_bits,
    fixed_range,
    large_bias,
    little_effort,
    many_layers,
    mis_scaled_data,
    narrow_data,
    one_scale,
    other_weights,
    outlier_channels,
    outlier_samples,
    outlier_weights,
    rounding_shifts,
    runtimes,
    shared_scale,
    training,
    wide_range,
)
from octavo.diagnosis.causes.cause import Case, Cause, Mend, Suspicion

__all__ = ["CAUSES", "Case", "Cause", "Mend", "Suspicion"]

CAUSES: tuple[Cause, ...] = (
    runtimes.CAUSE,
    other_weights.CAUSE,
    training.CAUSE,
    mis_scaled_data.CAUSE,
    outlier_samples.CAUSE,
    cut_ranges.CAUSE,
    narrow_data.CAUSE,
    accumulator.CAUSE,
    large_bias.CAUSE,
    one_scale.CAUSE,
    few_bits.CAUSE,
    outlier_weights.CAUSE,
    shared_scale.CAUSE,
    outlier_channels.CAUSE,
    far_from_zero.CAUSE,
    fixed_range.CAUSE,
    wide_range.CAUSE,
    coarse_layer.CAUSE,
    rounding_shifts.CAUSE,
    little_effort.CAUSE,
    many_layers.CAUSE,
)
