"""The content of a page: one dictionary of plain values, which is also the JSON that lies beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octavo.board.boards import parse_bytes
from octavo.comparison.comparison import Comparison
from octavo.diagnosis.found import Diagnosis
from octavo.diagnosis.samples import Arrays
from octavo.files import figures_beside, write_whole
from octavo.pages.views import arena_over_time, flipped, layer_views
from octavo.report.page.render import render
from octavo.report.tables import TextTable
from octavo.result import QuantizedModel
from octavo.search.found import Search
from octavo.search.tables import search_tables
from octavo.stages import Prepared
from octavo.version import VERSION


def page_content(
    title: str,
    commands: Sequence[str],
    *,
    comparison: Comparison | None = None,
    diagnosis: Diagnosis | None = None,
    search: Search | None = None,
    quantized: QuantizedModel | None = None,
    prepared: Prepared | None = None,
    x: Arrays | None = None,
    labels: np.ndarray | None = None,
    opening: Sequence[str] = (),
) -> dict[str, Any]:
    """Gather a page; what is not given has no section.

    Args:
        title: The model's name.
        commands: That make it all again.
        comparison: Every scheme.
        diagnosis: Layers, causes and mends.
        search: Types of layers, and the files made of them.
        quantized: A file made of `prepared`, whose layers are shown.
        prepared: The float network.
        x: Samples by input name.
        labels: Class numbers of them.
        opening: Sentences to begin with.
    """
    content: dict[str, Any] = {"title": title, "version": VERSION, "opening": list(opening), "commands": [*commands]}
    content |= {"tables": [], "views": [], "flipped": [], "proof": []}
    if comparison is not None:
        content["comparison"] = comparison.to_dict()
        room = {"flash_bytes": comparison.wishes.flash, "ram_bytes": comparison.wishes.ram}
        content["board"] = {name: None if size is None else parse_bytes(size) for name, size in room.items()}
        content["tables"] += [_plain(table) for table in comparison.tables]
    if diagnosis is not None:
        content["diagnosis"] = diagnosis.to_dict()
        content["tables"] += [_plain(table) for table in diagnosis.tables]
    if search is not None:
        content["search"] = search.to_dict()
        content["board"] = {"flash_bytes": search.budgets.flash, "ram_bytes": search.budgets.ram}
        content["tables"] += [_plain(table) for table in search_tables(search)]
    if quantized is not None and prepared is not None and x is not None:
        content["scheme"] = quantized.scheme.name
        if quantized.scheme.needs_data:
            content["views"] = layer_views(prepared.graph, quantized.graph, x)
            arena = arena_over_time(quantized.graph)
            if arena is not None:
                content["arena"] = {**arena, "board_bytes": content.get("board", {}).get("ram_bytes")}
        content["proof"] = list(quantized.verification.notes) if quantized.verification else []
        content["flipped"] = _flips(comparison, quantized, x, labels)
    return content


def write_page(path: Path, content: Mapping[str, Any]) -> Path:
    """Write the page, and its JSON beside it; the page last, so that a page is never without its figures.

    Returns:
        The page's path.

    Raises:
        OutputError: if a file cannot be written.
        MissingDependencyError: without Jinja2 or vl-convert-python.
    """
    page = render(content)
    plain = {name: value for name, value in content.items() if name != "flipped"}
    plain["flipped"] = [{k: v for k, v in each.items() if k != "picture"} for each in content.get("flipped", [])]
    write_whole(figures_beside(path), json.dumps(plain, indent=1).encode())
    return write_whole(path, page.encode())


def _plain(table: TextTable) -> dict[str, Any]:
    return {
        "title": table.title,
        "header": list(table.header),
        "rows": [list(row) for row in table.rows],
        "numeric": sorted(table.numeric),
        "note": table.note,
    }


def _flips(
    comparison: Comparison | None, quantized: QuantizedModel, x: Arrays, labels: np.ndarray | None
) -> list[dict[str, Any]]:
    floats = next((row.quantized for row in comparison.rows if row.name == "float32"), None) if comparison else None
    if floats is None:
        return []
    outputs = [model.predict(x) for model in (floats, quantized)]
    if any(isinstance(each, dict) for each in outputs):
        return []
    return flipped(x, np.asarray(outputs[0]), np.asarray(outputs[1]), labels)
