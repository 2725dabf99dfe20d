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
                    "worth": worth,
                    "flash": memory["file_bytes"],
                    "ram": memory["arena_bytes"],
                    "metric": output["metric"] or "SQNR dB",
                }
            )
    return rows


def pareto(rows: list[dict[str, Any]], flash: float | None) -> Spec:
    """Worth against the size of the file; the board's room as a line, where it is near."""
    metric = rows[0]["metric"]
    encoding = {
        "x": {"field": "flash", "type": "quantitative", "title": "file bytes", "scale": {"zero": False}},
        "y": {"field": "worth", "type": "quantitative", "title": metric, "scale": {"zero": False}},
    }
    tooltip = [{"field": name} for name in ("scheme", "worth", "flash", "ram")]
    scheme = {
        "field": "scheme",
        "type": "nominal",
        "title": None,
        "sort": None,
        "legend": {"orient": "bottom", "columns": 4},
        "scale": {"scheme": "tableau20"},
    }
    points = {"mark": {"type": "point", "filled": True, "size": 130, "opacity": 0.9}}
    data: Spec = {"data": {"values": rows}}
    near = (
        [_line("x", flash, "the board's flash")] if flash and flash < NEAR * max(row["flash"] for row in rows) else []
    )
    return _chart(
        f"{metric} of each scheme against the bytes of its file",
        {"layer": [{**data, **points, "encoding": {**encoding, "color": scheme, "tooltip": tooltip}}, *near]},
        260,
    )


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
                "x": {"field": "effect", "type": "quantitative", "title": "share of signal", "axis": {"format": "~%"}},
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
            "x": {"field": "from", "type": "quantitative", "title": title, "bin": {"binned": True}},
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
            "y": {"field": "offset", "type": "quantitative", "title": "bytes"},
            "y2": {"field": "end"},
            "color": {"field": "bytes", "type": "quantitative", "title": "bytes"},
            "tooltip": [{"field": name} for name in ("name", "bytes", "offset", "first", "last")],
        },
    }
    room = plan.get("board_bytes")
    near = [_line("y", room, "the board's RAM")] if room and room < NEAR * plan["arena_bytes"] else []
    return _chart(f"The arena over time: {plan['arena_bytes']} bytes", {"layer": [boxes, *near]}, 220)


def _line(axis: str, at: float, name: str) -> Spec:
    """A bound, drawn across."""
    return {
        "data": {"values": [{"at": at, "bound": name}]},
        "mark": {"type": "rule", "color": GREEN, "strokeWidth": 2, "strokeDash": [6, 4]},
        "encoding": {axis: {"field": "at", "type": "quantitative"}, "tooltip": [{"field": "bound"}, {"field": "at"}]},
    }


def _chart(title: str, spec: Spec, height: int) -> Spec:
    return {
        "$schema": _SCHEMA,
        "description": title,
        "width": "container",
        "height": height,
        "config": _CONFIG,
        **spec,
    }
