"""A model in C on this machine, built with the sanitizers of addresses and of undefined behaviour."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from octavo.board.emulator import model_header
from octavo.errors import MissingDependencyError, VerificationError

COMPILERS = ("gcc", "clang")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MAIN = Path(str(files("octavo") / "board" / "firmware" / "host_main.c"))


class HostProgram:
    """A model linked for this machine.

    Args:
        folder: Holds NAME.c and NAME.h; what is built goes there.
        name: The model's.
        inputs, outputs: Bytes of each.
        flags: More for the compiler; later ones win.

    Raises:
        MissingDependencyError: if there is no C compiler.
        VerificationError: if the compiler refuses the model, or warns of anything.
    """

    def __init__(
        self, folder: Path, name: str, inputs: Sequence[int], outputs: Sequence[int], flags: Sequence[str] = ()
    ) -> None:
        self._in_bytes, self._out_bytes = sum(inputs), sum(outputs)
        self.path = folder / f"{name}_host"
        (folder / "octavo_harness.h").write_text(model_header(name, inputs, outputs), encoding="utf-8")
        given = (*WARNINGS, *SANITIZERS, *flags, f"-I{folder}")
        command = [host_compiler(), "-std=c99", *given, str(folder / f"{name}.c"), str(MAIN), "-o", str(self.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise VerificationError(
                "the C compiler of this machine refuses the model.",
                got=next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200]),
                expected="C99 without a warning",
                fix="export the model again; if its files are as they were written, report this",
            )

    def run(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run every vector, and the self-test after each.

        Args:
            vectors: int8 [vectors, bytes of all inputs].

        Returns:
            int8 [vectors, bytes of all outputs]; and int8 [vectors], 0 where call and self-test were as they should.

        Raises:
            VerificationError: if a sanitizer complains.
        """
        done = subprocess.run([self.path], input=vectors.tobytes(), capture_output=True, check=False)
        if done.returncode:
            lines = done.stderr.decode(errors="replace").splitlines()
            raise VerificationError(
                "the model in C does not run as it should on this machine.",
                got=next((line for line in lines if "error" in line), f"exit code {done.returncode}"),
                expected="no complaint of a sanitizer",
                fix="export the model again; if its files are as they were written, report this",
            )
        rows = np.frombuffer(done.stdout, np.int8).reshape(len(vectors), -1)
        return rows[:, :-1], rows[:, -1]


def host_compiler() -> str:
    """The C compiler of this machine.

    Raises:
        MissingDependencyError: if none is on the path.
    """
    for name in COMPILERS:
        if shutil.which(name):
            return name
    raise MissingDependencyError(
        "running a model in C on this machine needs a C compiler.",
        got=f"no {' and no '.join(COMPILERS)} on the path",
        expected="one of them, with its sanitizers",
        fix="on Debian: apt-get install gcc libc6-dev",
    )
