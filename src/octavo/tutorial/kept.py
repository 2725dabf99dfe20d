"""The folder that keeps what is done, so that a run that was interrupted goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.errors import OutputError
from octavo.files import whole_file, write_whole

RUN = "run.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """What one run, told by its key, has done so far: each file appears whole or not at all.

    Attributes:
        folder: Where it lies.
        key: What all results depend on.
    """

    folder: Path
    key: dict[str, object]

    def open(self, force: bool) -> None:
        """Begin, or go on with what the same run left; with `force` results of another are replaced.

        Raises:
            OutputError: if the folder holds something else, or cannot be written to.
        """
        run = self.folder / RUN
        if run.is_file() and _read(run) == self.key:
            return
        if self.folder.exists() and not (self.folder.is_dir() and (not any(self.folder.iterdir()) or run.is_file())):
            raise OutputError(
                f"'{self.folder}' holds something else.",
                got="a folder with other files in it" if self.folder.is_dir() else "a file",
                expected="a new place, an empty folder, or that of an earlier run",
                fix="choose another folder: --out my-tutorial",
            )
        if run.is_file() and not force:
            raise OutputError(
                f"'{self.folder}' keeps results of another run.",
                got=_differing(_read(run), self.key),
                expected="the same options and images",
                fix="say --force to begin anew there, or --out for another folder",
            )
        try:
            self.folder.mkdir(exist_ok=True)
            for path in (*self.folder.glob("*.keras"), *self.folder.glob("*.json"), *self.folder.glob("*.tflite")):
                path.unlink()
        except OSError as error:
            raise OutputError(
                f"the folder '{self.folder}' could not be written.",
                got=error.strerror or str(error),
                expected="a place that may be written to, in a folder that exists",
                fix="choose another place: --out FOLDER",
            ) from error
        write_whole(run, json.dumps(self.key, indent=1).encode())

    def model(self, network: str) -> Path | None:
        """The file of a network that is trained, or None."""
        path = self.folder / f"{network}.keras"
        return path if path.is_file() else None

    def keep_model(self, network: str, model: Any) -> None:
        """Write a trained network."""
        with whole_file(self.folder / f"{network}.keras") as beside:
            model.save(beside)

    def result(self, network: str) -> dict[str, Any] | None:
        """What was measured of a network, or None."""
        path = self.folder / f"{network}.json"
        return _read(path) if path.is_file() else None

    def keep_result(self, network: str, result: dict[str, object]) -> None:
        """Write what was measured, last of all that belongs to a network."""
        write_whole(self.folder / f"{network}.json", json.dumps(result, indent=1, default=str).encode())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _differing(before: dict[str, Any] | None, now: dict[str, object]) -> str:
    if before is None:
        return "a file that is no record of a run"
    names = [name for name in now if before.get(name) != now[name]]
    return f"{', '.join(names)} of another run"
