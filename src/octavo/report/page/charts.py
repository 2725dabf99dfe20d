"""Charts of a page as Vega-Lite specifications, each a function of the page's own plain values.

Source: Vega-Lite 6, https://vega.github.io/vega-lite/docs/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Spec = dict[str, Any]
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Vega draws as SVG, whose colours may follow the page's text: light or dark.
_CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "axis": {
        "labelColor": "currentColor", "titleColor": "currentColor", "domainColor": "currentColor",
        "tickColor": "currentColor", "gridColor": "currentColor", "gridOpacity": 0.12, "labelLimit": 160,
    },
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor"},
    "view": {"stroke": None},
}  # fmt: skip
# An axis that need not begin at zero, with room for the marks at its ends.
_APART: Spec = {"type": "quantitative", "scale": {"zero": False, "padding": 14}}
# The rows' names, which the legend tells, say the technique as well.
SHAPES: Spec = {
    "domain": ["float", "PTQ", "trained on", "QAT", "ready"],
    "range": ["circle", "square", "triangle-up", "cross", "diamond"],
}
# A bound further off than so many times the data would leave the data no room.
NEAR = 4
BLUE, ORANGE, GREEN = "#3b7dd8", "#e0641b", "#2f9e62"


def charts(content: Mapping[str, Any]) -> dict[str, Spec]:
    """The charts that a page's content can be drawn as, by the id of their place."""
    found: dict[str, Spec] = {}
    if "comparison" in content:
        rows = pareto_rows(content["comparison"])
        if rows:
            found["pareto"] = pareto(rows, content.get("board", {}).get("flash_bytes"))
    if "diagnosis" in content:
        found["heat"] = heat(content["diagnosis"]["layers"])
    if "search" in content:
        found["search"] = search(content["search"])
    if content.get("views"):
        found["layer"] = layer(content["views"][0])
    if "arena" in content:
        found["arena"] = arena(content["arena"])
    return found


def pareto_rows(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each scheme costs and is worth."""
    rows = []
    for row in comparison["rows"]:
        output, memory = row["evaluation"]["outputs"][0], row["evaluation"]["memory"]
        worth = output["value"] if output["value"] is not None else output["sqnr_db"]
        if worth is not None:
            rows.append(
                {
                    "scheme": row["name"],
                    "technique": row["technique"],
                    "worth": worth,
                    "flash": memory["file_bytes"],
                    "ram": memory["arena_bytes"],
                    "metric": output["metric"] or "SQNR dB",
                    "higher_is_better": output["value"] is None or output["higher_is_better"] is not False,
                }
            )
    return rows


def better_is_up(content: Mapping[str, Any]) -> bool:
    """Whether more is better of what `pareto` draws upwards; less is, of an error."""
    return (
        all(row["higher_is_better"] for row in pareto_rows(content["comparison"])) if "comparison" in content else True
    )


def pareto(rows: list[dict[str, Any]], flash: float | None) -> Spec:
    """Worth against the size of the file; the board's room as a line, where it is near."""
    metric = rows[0]["metric"]
    encoding = {
        "x": {**_APART, "field": "flash", "title": "file bytes", "axis": {"format": "~s"}},
        "y": {**_APART, "field": "worth", "title": metric},
    }
    tooltip = [{"field": name} for name in ("scheme", "worth", "flash", "ram")]
    sizes = [row["flash"] for row in rows]
    scheme = {
        "field": "scheme",
        "type": "nominal",
        "title": None,
        "sort": None,
        "legend": {"orient": "bottom", "columns": 2},
        "scale": {"scheme": "tableau20"},
    }
    # Hollow, and each technique of its own shape: what lies at one place is seen.
    points = {"mark": {"type": "point", "filled": False, "size": 150, "strokeWidth": 2.5, "opacity": 0.9}}
    shape = {"field": "technique", "type": "nominal", "legend": None, "scale": SHAPES}
    data: Spec = {"data": {"values": rows}}
    return _chart(
        f"{metric} of each scheme against the bytes of its file",
        {
            "layer": [
                {**data, **points, "encoding": {**encoding, "color": scheme, "shape": shape, "tooltip": tooltip}},
                *_flash(flash, sizes),
            ]
        },
        260,
    )


def search(found: Mapping[str, Any]) -> Spec:
    """SQNR of every file of a search against its size, the front and, where it is near, the board's flash as lines."""
    rows = [
        {
            "flash": each["flash_bytes"],
            "ram": each["ram_bytes"],
            "worth": each["sqnr_db"],
            "layers": ", ".join(f"{name} {kind}" for name, kind in each["types"].items()) or "int8 throughout",
            "file": "chosen"
            if each == found["chosen"]
            else "none better at its size"
            if each in found["front"]
            else "beaten",
        }
        for each in found["points"]
    ]
    encoding = {
        "x": {**_APART, "field": "flash", "title": "bytes of flash", "axis": {"format": "~s"}},
        "y": {**_APART, "field": "worth", "title": "SQNR dB"},
    }
    kinds = {
        "field": "file",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "bottom"},
        "scale": {"domain": ["chosen", "none better at its size", "beaten"], "range": [GREEN, BLUE, ORANGE]},
    }
    tooltip = [{"field": name} for name in ("layers", "worth", "flash", "ram")]
    points = {
        "data": {"values": rows},
        "mark": {"type": "point", "filled": True, "size": 130, "opacity": 0.9},
        "encoding": {**encoding, "color": kinds, "tooltip": tooltip},
    }
    best = {
        "data": {"values": [row for row in rows if row["file"] != "beaten"]},
        "mark": {"type": "line", "color": BLUE, "opacity": 0.4, "interpolate": "step-after"},
        "encoding": encoding,
    }
    sizes = [row["flash"] for row in rows]
    return _chart(
        "SQNR of each file of the search against its flash",
        {"layer": [best, points, *_flash(found["budgets"]["flash"], sizes)]},
        260,
    )


def _flash(flash: float | None, sizes: list[int]) -> list[Spec]:
    """The board's flash as a line, where it is near the sizes of files."""
    if not flash or flash >= NEAR * max(sizes):
        return []
    ends = min(flash, *sizes), max(flash, *sizes)
    # Its name goes to the side where the chart goes on.
    side = {"align": "right", "dx": -6} if 2 * flash > sum(ends) else {"align": "left", "dx": 6}
    return _bound("x", flash, "the board's flash", side)


def heat(layers: list[dict[str, Any]]) -> Spec:
    """The graph as a strip: what each layer's rounding alone does to the outputs."""
    rows = [
        {"layer": each["layer"], "order": i, "of": kind, "effect": each[f"{kind}_effect"]}
        for i, each in enumerate(layers)
        for kind in ("weights", "activations")
    ]
    return _chart(
        "Share of the outputs' signal that is noise where one layer alone is rounded",
        {
            "data": {"values": rows},
            "mark": {"type": "bar"},
            "encoding": {
                "y": {"field": "layer", "type": "nominal", "sort": {"field": "order"}, "title": None},
                "x": {
                    "field": "effect",
                    "type": "quantitative",
                    "title": "share of signal",
                    "axis": {"format": "~%", "labelOverlap": "greedy", "tickCount": 6},
                },
                "color": {
                    "field": "of",
                    "type": "nominal",
                    "title": "rounded",
                    "scale": {"domain": ["weights", "activations"], "range": [ORANGE, BLUE]},
                },
                "tooltip": [{"field": "layer"}, {"field": "of"}, {"field": "effect", "format": ".3%"}],
            },
        },
        max(60, 18 * len(layers)),
    )


def layer(view: Mapping[str, Any]) -> Spec:
    """The histogram of a layer's values, and where its integers begin and end."""
    edges, counts = view["histogram"]["edges"], view["histogram"]["counts"]
    rows = [{"from": a, "to": b, "values": n} for a, b, n in zip(edges, edges[1:], counts, strict=False)]
    weights = view["kind"] == "weights"
    title = "weight in steps of its channel's scale" if weights else "real value"
    bars = {
        "data": {"values": rows},
        "mark": {"type": "bar", "color": ORANGE if weights else BLUE, "opacity": 0.75},
        "encoding": {
            "x": {
                "field": "from",
                "type": "quantitative",
                "title": title,
                "bin": {"binned": True},
                "scale": {"nice": False, "padding": 8},
            },
            "x2": {"field": "to"},
            "y": {"field": "values", "type": "quantitative", "title": "values", "scale": {"type": "symlog"}},
            "tooltip": [{"field": "from"}, {"field": "to"}, {"field": "values"}],
        },
    }
    if weights:
        return _chart(f"Weights of '{view['layer']}' as {view['dtype']}", {"layer": [bars]}, 200)
    ends = [{"at": view["low"], "end": "smallest"}, {"at": view["high"], "end": "largest"}]
    rules = {
        "data": {"values": ends},
        "mark": {"type": "rule", "color": GREEN, "strokeWidth": 2},
        "encoding": {"x": {"field": "at", "type": "quantitative"}, "tooltip": [{"field": "end"}, {"field": "at"}]},
    }
    return _chart(
        f"What '{view['layer']}' computes, and the range of its {view['dtype']}", {"layer": [bars, rules]}, 200
    )


def arena(plan: Mapping[str, Any]) -> Spec:
    """Where activations lie over time; the board's room as a line, where it is near."""
    rows = [{**each, "end": each["offset"] + each["bytes"], "until": each["last"] + 1} for each in plan["buffers"]]
    boxes: Spec = {
        "data": {"values": rows},
        "mark": {"type": "rect", "stroke": "currentColor", "strokeOpacity": 0.4, "opacity": 0.7},
        "encoding": {
            "x": {"field": "first", "type": "quantitative", "title": "operator", "axis": {"tickMinStep": 1}},
            "x2": {"field": "until"},
            "y": {"field": "offset", "type": "quantitative", "title": "bytes", "axis": {"format": "~s"}},
            "y2": {"field": "end"},
            "color": {"field": "bytes", "type": "quantitative", "title": "bytes"},
            "tooltip": [{"field": name} for name in ("name", "bytes", "offset", "first", "last")],
        },
    }
    room = plan.get("board_bytes")
    near = (
        _bound("y", room, "the board's RAM", {"align": "left", "dy": 9})
        if room and room < NEAR * plan["arena_bytes"]
        else []
    )
    return _chart(f"The arena over time: {plan['arena_bytes']} bytes", {"layer": [boxes, *near]}, 220)


def _bound(axis: str, at: float, name: str, side: Spec) -> list[Spec]:
    """A bound, drawn across, and its name at a side of it."""
    common: Spec = {"data": {"values": [{"at": at, "bound": name}]}}
    encoding = {axis: {"field": "at", "type": "quantitative"}, "tooltip": [{"field": "bound"}, {"field": "at"}]}
    rule = {"type": "rule", "color": GREEN, "strokeWidth": 2, "strokeDash": [6, 4]}
    text = {"type": "text", "color": GREEN, "fontWeight": "bold", **side}
    named = {**encoding, "y" if axis == "x" else "x": {"value": 6}, "text": {"field": "bound"}}
    return [{**common, "mark": rule, "encoding": encoding}, {**common, "mark": text, "encoding": named}]


def _chart(title: str, spec: Spec, height: int) -> Spec:
    return {
        "$schema": _SCHEMA,
        "description": title,
        "width": "container",
        "height": height,
        "config": _CONFIG,
        **spec,
    }
