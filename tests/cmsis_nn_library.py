"""CMSIS-NN, built from the checkout that OCTAVO_CMSIS_NN names, for models that call it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = os.environ.get("OCTAVO_CMSIS_NN", "")
NEEDS_CMSIS_NN = pytest.mark.skipif(
    not CHECKOUT, reason="OCTAVO_CMSIS_NN names no checkout of github.com/ARM-software/CMSIS-NN"
)
_OF_REALS = ("_f16.c", "_f32.c", "_flt.c")


def library(folder: Path, *compiler: str) -> tuple[str, ...]:
    """Build it; flags for a model that is linked with it.

    Args:
        folder: Made for what is built.
        compiler: With its flags for a core.
    """
    folder.mkdir(parents=True)
    include = f"-isystem{CHECKOUT}/Include"
    every = sorted(Path(CHECKOUT).resolve().glob("Source/*Functions/*.c"))
    sources = [str(path) for path in every if not path.name.endswith(_OF_REALS)]
    subprocess.run([*compiler, "-O2", "-w", "-ffunction-sections", include, "-c", *sources], cwd=folder, check=True)
    subprocess.run(["ar", "rcs", "cmsis.a", *(path.name for path in folder.glob("*.o"))], cwd=folder, check=True)
    # The compiler is given libraries before the model: without these flags none of it would be linked, or all.
    whole = f"-Wl,--whole-archive,{folder / 'cmsis.a'},--no-whole-archive"
    return "-DOCTAVO_CMSIS_NN", include, whole, "-Wl,--gc-sections"
