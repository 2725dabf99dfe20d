"""How much of a microcontroller a model takes: flash for the file, RAM for the arena."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from octavo.errors import MissingDependencyError, ModelFileError, RuntimeEndedError
from octavo.run.micro import Micro
from octavo.run.targets import MICRO


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes a model takes.

    Attributes:
        file_bytes: Size of the file.
        arena_bytes: TensorFlow Lite Micro's arena on this machine, where a pointer takes 8 bytes; None if unknown.
        arena_reason: Why it is unknown, else "".
    """

    file_bytes: int
    arena_bytes: int | None
    arena_reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """The fields, for JSON."""
        return asdict(self)


def memory(model: bytes) -> Memory:
    """Measure a model; TensorFlow Lite Micro itself reports the arena."""
    try:
        with MICRO.open(model) as runtime:
            return Memory(len(model), runtime.ask(Micro.measure_arena))
    except MissingDependencyError as error:
        return Memory(len(model), None, f"{error.what} {error.fix}")
    except (ModelFileError, RuntimeEndedError) as error:
        return Memory(len(model), None, f"{error.what} {error.got}")
