"""A folder that `octavo export` wrote: its files as they stand, here and on emulated cores.

They run the vector they carry; and, where the .tflite file they were written from is found by its digest, in the folder
or beside it, random ones as well.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from octavo.board.emulator import Image
from octavo.board.host import HostProgram
from octavo.errors import ModelFileError
from octavo.export import drawn_inputs
from octavo.ir.types import Graph
from octavo.load.tflite import read_tflite
from octavo.prove.places import HOST, Place, Values, first_difference, packed, tried
from octavo.run import reference

_PORT = re.compile(r"^#define \w+_(INPUT|OUTPUT)(?:_\d+)?_BYTES (\d+)$", re.MULTILINE)
_DIGEST = re.compile(r'^#define \w+_DIGEST "([0-9a-f]{64})"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Exported:
    """The files of a model, and what they are compared with.

    Attributes:
        header, source: NAME.h and NAME.c.
        inputs, outputs: Bytes of each.
        graph: Of the .tflite file; None where it was not found.
        vectors: Inputs for it.
    """

    header: Path
    source: Path
    inputs: list[int]
    outputs: list[int]
    graph: Graph | None
    vectors: tuple[Values, ...]

    @property
    def name(self) -> str:
        return self.header.stem

    def differs(self, run: Callable[[np.ndarray], np.ndarray]) -> str:
        """Where results differ from the reference's, given what runs all vectors; "" where they do not."""
        if self.graph is None:
            return ""
        truths = [reference.run(self.graph, values) for values in self.vectors]
        return first_difference(self.graph, run(packed(self.graph, self.vectors)), truths)


def as_they_stand(folder: Path, cores: Sequence[str], vectors: int, seed: int = 0) -> tuple[Place, ...]:
    """Run the model in C that a folder holds.

    Args:
        folder: What an export wrote.
        cores: To emulate.
        vectors: Random inputs, where the .tflite file is there.
        seed: Of them.

    Raises:
        ModelFileError: if the folder holds no model in C.
    """
    files = _files(folder, vectors, seed)
    nothing = np.zeros((1, sum(files.inputs)), np.int8)

    def on_host(place: Path) -> str:
        program = HostProgram(place, files.name, files.inputs, files.outputs)
        _, (failed,) = program.run(nothing)
        return "the self-test" if failed else files.differs(lambda rows: program.run(rows)[0])

    def on_core(core: str) -> Callable[[Path], str]:
        def run(place: Path) -> str:
            call = f"-DHARNESS_INVOKE(in,out,arena)={files.name}_self_test(((void)(in),out),arena)"
            image = Image(place, files.name, files.inputs, files.outputs, core, (call,))
            image.check_room()
            (different,) = image.run(nothing).returned
            if different:
                return f"{different} values of the self-test"
            if files.graph is None:
                return ""
            image = Image(place, files.name, files.inputs, files.outputs, core)
            return files.differs(lambda rows: image.run(rows).outputs)

        return run

    tries = {HOST: on_host} | {f"C on an emulated {core}": on_core(core) for core in cores}
    return tuple(_tested(place, files, run) for place, run in tries.items())


def _tested(place: str, files: _Exported, run: Callable[[Path], str]) -> Place:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (files.header, files.source):
            shutil.copyfile(file, folder / file.name)
        return tried(place, lambda: Place(place, 1 + len(files.vectors), differs=run(folder)))


def _files(folder: Path, vectors: int, seed: int) -> _Exported:
    """NAME.h and NAME.c, wherever they lie in the folder, and the file they were written from."""
    for header in sorted(folder.rglob("*.h")):
        text = header.read_text(encoding="utf-8", errors="replace")
        if f"{header.stem}_self_test(" not in text:
            continue
        for source in sorted(folder.rglob(f"{header.stem}.c")):
            inputs, outputs = (
                [int(size) for kind, size in _PORT.findall(text) if kind == wanted] for wanted in ("INPUT", "OUTPUT")
            )
            graph = _written_from(folder, text)
            drawn = (
                [] if graph is None else [drawn_inputs(graph, np.random.default_rng([seed, i])) for i in range(vectors)]
            )
            return _Exported(header, source, inputs, outputs, graph, tuple(drawn))
    raise ModelFileError(
        f"folder '{folder}' holds no model in C.",
        got=", ".join(sorted(item.name for item in folder.iterdir())[:5]) or "an empty folder",
        expected="NAME.h and NAME.c, as `octavo export` writes them; an Arduino library unpacked",
        fix="name a .tflite file, or a folder that octavo export --to c, cmake or esp-idf wrote",
    )


def _written_from(folder: Path, header: str) -> Graph | None:
    """The model whose digest a header states, if its file lies in the folder or beside it."""
    stated = _DIGEST.search(header)
    for file in (*sorted(folder.rglob("*.tflite")), *sorted(folder.resolve().parent.glob("*.tflite"))):
        try:
            content = file.read_bytes()
        except OSError:  # another's file, which is none of ours
            continue
        if stated is not None and hashlib.sha256(content).hexdigest() == stated[1]:
            return read_tflite(content)
    return None
