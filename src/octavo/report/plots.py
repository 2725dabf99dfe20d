"""Pictures, drawn with matplotlib without a display."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.errors import MissingDependencyError
from octavo.report.mapping import LayerMapping

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT, REAL, INTEGER, MERGED = "#1f2933", "#9aa5b1", "#2f6f9f", "#3a8f5c", "#d9480f"
LADDER_RUNGS = 33  # lines drawn between the two scales, one every eight levels of int8
BARS = 1.3  # where bars stand, with room below for the ends of the range, which is drawn at 1
MARGIN = 0.2  # inches around and between pictures
ZOOM_STEPS = 5  # levels shown in the close-up


def mapping_picture(mapping: LayerMapping) -> bytes:
    """Draw what the integers do to a layer's range: the whole range above, a close-up of merging values below.

    Returns:
        A PNG file.

    Raises:
        MissingDependencyError: without matplotlib.
    """
    figure = new_figure(10, 7.6)
    whole, close = figure.subplots(2, 1, height_ratios=(1, 1.05))
    _draw_ladder(whole, mapping)
    _draw_close_up(close, mapping)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, on the display-less Agg canvas."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise MissingDependencyError(
            "the picture needs matplotlib.",
            got=f"no matplotlib ({error})",
            expected="matplotlib 3.9 or later",
            fix='pip install "octavo[demo]"',
        ) from error
    layout = ConstrainedLayoutEngine(w_pad=MARGIN, h_pad=MARGIN)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _draw_ladder(axes: Axes, mapping: LayerMapping) -> None:
    """The real scale above, the integer scale below, and lines from real values to their integers."""
    low, high = mapping.range
    smallest, largest = mapping.dtype.integer_range

    def place(integer: float) -> float:
        """Where an integer stands on the real axis: evenly spread, a little narrower than the real scale."""
        share = (integer - smallest) / (largest - smallest) - 0.5
        return (low + high) / 2 + 0.86 * share * (high - low)

    counts, edges = np.histogram(mapping.values, bins=80, range=(low, high))
    axes.bar(
        edges[:-1], 0.75 * counts / counts.max(), np.diff(edges), bottom=BARS, align="edge", color=REAL, alpha=0.35
    )
    for integer in np.linspace(smallest, largest, LADDER_RUNGS).round():
        real = (integer - mapping.zero_point) * mapping.scale
        axes.plot([real, place(integer)], [1, 0], color=FAINT, linewidth=0.7)
    axes.plot([low, high], [1, 1], color=REAL, linewidth=2.5, solid_capstyle="butt")
    axes.plot([place(smallest), place(largest)], [0, 0], color=INTEGER, linewidth=2.5, solid_capstyle="butt")
    label: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "weight": "bold"}
    for real, integer in ((low, smallest), (0.0, mapping.zero_point), (high, largest)):
        axes.plot([real, place(integer)], [1, 0], color=INK, linewidth=1.4)
        axes.annotate(f"{real:.2f}", (real, 1), (0, 5), color=INK, **label)
        axes.annotate(str(integer), (place(integer), 0), (0, -15), color=INTEGER, **label)
    title = f"What {mapping.dtype.value} does to the layer '{mapping.layer}'"
    rule = f"{largest - smallest + 1} integers   =   round(real / {mapping.scale:.4g})"
    rule += f" {'-' if mapping.zero_point < 0 else '+'} {abs(mapping.zero_point)}"
    axes.set_title(title, loc="left", weight="bold", color=INK)
    axes.text(0, 1, "values the layer really computed (float32)", color=REAL, va="top", transform=axes.transAxes)
    axes.text(place(smallest), -0.28, rule, color=INTEGER, va="top")
    axes.set_ylim(-0.5, 2.4)
    axes.margins(x=0.04)
    axes.set_axis_off()


def _draw_close_up(axes: Axes, mapping: LayerMapping) -> None:
    """A few steps of the staircase around the merging values, each real value a mark on its step."""
    center, half = mapping.merged_integer, mapping.scale / 2
    levels = np.arange(center - ZOOM_STEPS // 2, center + ZOOM_STEPS // 2 + 1)
    reals = (levels - mapping.zero_point) * mapping.scale
    near = np.isin(mapping.integers, levels)
    ends = [reals[0] - half, reals[-1] + half], [levels[0] - 0.5, levels[-1] + 0.5]
    axes.plot(*ends, "--", color=FAINT, linewidth=1, label="no rounding")
    axes.hlines(levels, reals - half, reals + half, INTEGER, linewidth=2.5, label="the integer a value becomes")
    axes.plot(mapping.values[near], mapping.integers[near], "|", color=REAL, markersize=11, label="values it computed")
    axes.plot(mapping.merged, [center] * 2, "o", color=MERGED, markersize=8, zorder=5, label="two values that merge")
    first, second = (f"{value:.{mapping.decimals}f}" for value in mapping.merged)
    axes.annotate(
        f"{first} and {second}\nboth become {center}, read back as {mapping.read_back:.{mapping.decimals}f}",
        (mapping.merged[1], center),
        (18, -42),
        textcoords="offset points",
        color=MERGED,
        weight="bold",
        arrowprops={"arrowstyle": "-", "color": MERGED},
    )
    axes.set_title(f"Close up: one step is {mapping.scale:.4g} wide", loc="left", weight="bold", color=INK)
    axes.set_xlabel("real value", color=REAL)
    axes.set_ylabel("integer", color=INTEGER)
    axes.set_yticks(levels)
    axes.grid(axis="x", color=FAINT, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", frameon=False)
