"""What a search has measured, in a file, so that one that was interrupted goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octavo.files import write_whole


@dataclass(frozen=True, slots=True)
class Ledger:
    """Results of one search by their names; what another search left in the file, or nobody could read, is none.

    Attributes:
        path: The file; None keeps them in memory alone.
        key: What the results depend on.
        results: Plain values for JSON.
    """

    path: Path | None
    key: str
    results: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def opened(cls, path: Path | None, key: str) -> Ledger:
        """With what the file holds of this search."""
        return cls(path, key, {} if path is None or not path.exists() else _read(path, key))

    def add(self, name: str, result: Any) -> None:
        """Take a result; the file is written anew, whole or not at all.

        Raises:
            OutputError: if it cannot be written.
        """
        self.results[name] = result
        if self.path is not None:
            write_whole(self.path, json.dumps({"key": self.key, "results": self.results}, indent=1).encode())


def _read(path: Path, key: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = dict(content["results"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if content["key"] == key else {}
