"""What a search has measured, in a file, so that one that was interrupted goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from octavo.files import write_whole
from octavo.search.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class State:
    """Rows of one search in a file; what another search left there, or nobody could read, is no row.

    Attributes:
        path: The file; None for none.
        key: What the rows depend on.
    """

    path: Path | None
    key: str

    def read(self) -> tuple[Sensitivity, ...]:
        """The rows measured so far."""
        if self.path is None or not self.path.exists():
            return ()
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            rows = tuple(Sensitivity(**row) for row in content["rows"])
        except (ValueError, KeyError, TypeError):
            return ()
        return rows if content["key"] == self.key else ()

    def write(self, rows: Sequence[Sensitivity]) -> None:
        """Put rows in the place of those in the file, whole or not at all.

        Raises:
            OutputError: if the file cannot be written.
        """
        if self.path is not None:
            content = {"key": self.key, "rows": [asdict(row) for row in rows]}
            write_whole(self.path, json.dumps(content, indent=1).encode())
