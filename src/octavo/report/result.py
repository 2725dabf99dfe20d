"""One quantized model as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from octavo.report.tables import island_values, number
from octavo.report.terminal import print_lines, print_notes
from octavo.result import QuantizedModel


def print_result(console: Console, result: QuantizedModel, path: Path) -> None:
    """Print what was made, how it was proven, what stayed in float, and all remarks."""
    console.print(f"[bold]{escape(str(path))}[/]: {result.title}, {number(len(result.model))} bytes", highlight=False)
    print_lines(console, result.verification.notes if result.verification else ["Not verified: verify='off'."])
    print_lines(console, result.fidelity.sentences if result.fidelity else [])
    if result.islands:
        print_lines(console, [f"Left in float: {len(result.islands)} of {len(result.graph.nodes)} operators."])
    print_notes(console, result.notes)


def print_history(console: Console, history: Mapping[str, Sequence[float]], checkpoint: Path) -> None:
    """Print how each epoch of a training went, which one was kept, and where to go on from."""
    losses = history["val_loss"]
    best = min(range(len(losses)), key=losses.__getitem__)
    for epoch, values in enumerate(zip(*history.values(), strict=True)):
        row = ", ".join(f"{name} {value:.4f}" for name, value in zip(history, values, strict=True))
        console.print(f"epoch {epoch + 1}: {row}{'  (kept)' if epoch == best else ''}", highlight=False)
    print_lines(console, [f"Go on from {checkpoint}: give it to octavo train instead of the model."])


def result_dict(result: QuantizedModel, path: Path) -> dict[str, object]:
    """Plain values for JSON."""
    return {
        "path": str(path),
        "scheme": result.scheme.name,
        "file_bytes": len(result.model),
        "verification": result.verification.to_dict() if result.verification else None,
        "fidelity": result.fidelity.to_dict() if result.fidelity else None,
        "islands": island_values(result.islands),
        "notes": [{"stage": each.stage, "subject": each.subject, "text": each.text} for each in result.notes],
        "seconds": dict(result.seconds),
    }
