"""A folder that `octavo export` wrote: the self-test of its files as they stand, here and on emulated cores."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from octavo.board.emulator import Image
from octavo.board.host import HostProgram
from octavo.errors import ModelFileError
from octavo.prove.places import HOST, Place, tried

_PORT = re.compile(r"^#define \w+_(INPUT|OUTPUT)(?:_\d+)?_BYTES (\d+)$", re.MULTILINE)


def self_tests(folder: Path, cores: Sequence[str]) -> tuple[Place, ...]:
    """Run the self-test of the model in C that a folder holds.

    Raises:
        ModelFileError: if the folder holds no model in C.
    """
    header, source = _files(folder)
    name, text = header.stem, header.read_text(encoding="utf-8", errors="replace")
    sizes = {kind: [int(size) for each, size in _PORT.findall(text) if each == kind] for kind in ("INPUT", "OUTPUT")}

    nothing = np.zeros((1, sum(sizes["INPUT"])), np.int8)

    def on_host(place: Path) -> str:
        _, (failed,) = HostProgram(place, name, sizes["INPUT"], sizes["OUTPUT"]).run(nothing)
        return "the self-test" if failed else ""

    def on_core(core: str) -> Callable[[Path], str]:
        def run(place: Path) -> str:
            call = f"-DHARNESS_INVOKE(in,out,arena)={name}_self_test(((void)(in),out),arena)"
            image = Image(place, name, sizes["INPUT"], sizes["OUTPUT"], core, (call,))
            image.check_room()
            (different,) = image.run(nothing).returned
            return f"{different} values of the self-test" if different else ""

        return run

    tries = {HOST: on_host} | {f"C on an emulated {core}": on_core(core) for core in cores}
    return tuple(_tested(place, header, source, run) for place, run in tries.items())


def _tested(place: str, header: Path, source: Path, run: Callable[[Path], str]) -> Place:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (header, source):
            shutil.copyfile(file, folder / file.name)
        return tried(place, lambda: Place(place, 1, differs=run(folder)))


def _files(folder: Path) -> tuple[Path, Path]:
    """NAME.h and NAME.c, wherever they lie in the folder."""
    for header in sorted(folder.rglob("*.h")):
        if f"{header.stem}_self_test(" in header.read_text(encoding="utf-8", errors="replace"):
            for source in sorted(folder.rglob(f"{header.stem}.c")):
                return header, source
    raise ModelFileError(
        f"folder '{folder}' holds no model in C.",
        got=", ".join(sorted(item.name for item in folder.iterdir())[:5]) or "an empty folder",
        expected="NAME.h and NAME.c, as `octavo export` writes them; an Arduino library unpacked",
        fix="name a .tflite file, or a folder that octavo export --to c, cmake or esp-idf wrote",
    )
