"""A model in C on an emulated Cortex-M: built with Arm's compiler, run by QEMU, its instructions counted.

Instructions are no cycles: a core takes more than one for some, and waits for its flash.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from octavo.errors import MissingDependencyError, VerificationError

COMPILER, EMULATOR = "arm-none-eabi-gcc", "qemu-system-arm"
# The emulator's clock advances a nanosecond an instruction, and SysTick with it at the board's rate.
NANOSECONDS_PER_MEGAHERTZ_TICK = 1000
STACK_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Core:
    """A processor that QEMU has a board for.

    Attributes:
        machine: QEMU's name of the board.
        flags: For the compiler.
        rom, ram: Where they begin.
        code: Where code and constants do, if that is not behind the vectors in ROM; their size is that of ROM then.
        rom_bytes, ram_bytes: Their sizes.
        clock_mhz: Of its core, in the emulator.
    """

    machine: str
    flags: tuple[str, ...]
    rom: int = 0
    ram: int = 0x20000000
    rom_bytes: int = 4 << 20
    ram_bytes: int = 4 << 20
    clock_mhz: int = 25
    code: int = 0


CORES: Mapping[str, Core] = {
    "cortex-m0": Core("microbit", ("-mcpu=cortex-m0",), rom_bytes=256 << 10, ram_bytes=16 << 10, clock_mhz=16),
    "cortex-m3": Core("mps2-an385", ("-mcpu=cortex-m3",)),
    "cortex-m4": Core("mps2-an386", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")),
    "cortex-m7": Core("mps2-an500", ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard")),
    "cortex-m33": Core(
        "mps2-an505", ("-mcpu=cortex-m33", "-mfloat-abi=hard"), rom=0x10000000, ram=0x38000000, clock_mhz=20
    ),
    "cortex-m55": Core(
        "mps3-an547", ("-mcpu=cortex-m55", "-mfloat-abi=hard"), 0x10000000, 0x31000000, 2 << 20, 2 << 20, 32, 0x11000000
    ),
}


@dataclass(frozen=True, slots=True)
class Emulated:
    """What an emulated run gave.

    Attributes:
        outputs: int8 [vectors, bytes of all outputs].
        instructions: Of each call, to the nearest tick of the core's clock, 40 on most; int64 [vectors].
        returned: What each call returned; int32 [vectors].
    """

    outputs: np.ndarray
    instructions: np.ndarray
    returned: np.ndarray


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a linked program, start-up code and vectors included."""

    flash: int
    ram: int


class Image:
    """A model linked for a core.

    Args:
        folder: Holds NAME.c and NAME.h; what is built goes there.
        name: The model's.
        inputs, outputs: Bytes of each.
        core: A name of `CORES`, or a core of one's own.
        flags: More for the compiler; later ones win.

    Raises:
        MissingDependencyError: if the compiler or the emulator is not installed.
        VerificationError: if the compiler refuses the model.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        core: str | Core = "cortex-m4",
        flags: Sequence[str] = (),
    ) -> None:
        require_tools()
        self._core, self._folder = CORES[core] if isinstance(core, str) else core, folder
        self._inputs, self._outputs = inputs, outputs
        self.path = folder / f"{name}_{self._core.machine}.elf"
        (folder / "octavo_harness.h").write_text(model_header(name, inputs, outputs), encoding="utf-8")
        with_firmware = [str(files("octavo") / "board" / "firmware" / file) for file in ("start.c", "main.c")]
        script = files("octavo") / "board" / "firmware" / "board.ld"
        of = self._core
        places = {"rom_origin": of.rom, "code_origin": of.code, "ram_origin": of.ram, "ram_bytes": of.ram_bytes}
        done = subprocess.run(
            [
                COMPILER, "-mthumb", *self._core.flags, "-std=c99", "-O2", *flags, "-ffreestanding", "-nostartfiles",
                "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections", f"-I{folder}",
                str(folder / f"{name}.c"), *with_firmware, f"-T{script}",
                *(f"-Wl,--defsym={symbol}={value:#x}" for symbol, value in places.items()), "-o", str(self.path),
            ],
            check=False,
            capture_output=True,
            text=True,
        )  # fmt: skip
        if done.returncode:
            raise VerificationError(
                "Arm's compiler refuses the model.",
                got=next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200]),
                expected="C99 that is as `octavo export` wrote it",
                fix="export the model again; if its files are as they were written, report this",
            )

    def run(self, vectors: np.ndarray, timeout_seconds: float = 300.0) -> Emulated:
        """Boot once and run every vector.

        Args:
            vectors: int8 [vectors, bytes of all inputs].
            timeout_seconds: After which the emulator is ended.

        Raises:
            VerificationError: if the program faults, or writes fewer results than it was given vectors.
        """
        parts = np.split(np.asarray(vectors, np.int8), np.cumsum(self._inputs)[:-1], axis=1)
        given = np.concatenate([np.pad(part, ((0, 0), (0, -part.shape[1] % 4))) for part in parts], axis=1)
        (self._folder / "vectors.bin").write_bytes(given.tobytes())
        results = self._folder / "results.bin"
        results.unlink(missing_ok=True)
        done = subprocess.run(
            [
                EMULATOR, "-M", self._core.machine, "-kernel", str(self.path.resolve()), "-display", "none", "-monitor",
                "none", "-serial", "none", "-chardev", "stdio,id=sh", "-semihosting-config",
                "enable=on,target=native,chardev=sh", "-icount", "shift=0",
            ],
            cwd=self._folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_seconds,
            check=False,
        )  # fmt: skip
        record = np.dtype(
            [("out", np.int8, (_padded_places(self._outputs)[-1],)), ("ticks", "<u4"), ("returned", "<i4")]
        )
        content = results.read_bytes() if results.is_file() else b""
        if done.returncode != 0 or len(content) != record.itemsize * len(vectors):
            raise VerificationError(
                "the model ended early on the emulated core.",
                got=f"exit code {done.returncode}, {len(content) // record.itemsize} of {len(vectors)} results",
                expected="exit code 0 and a result for every vector",
                fix="check that the program fits the board's memory; run the model's self-test on the host",
            )
        rows = np.frombuffer(content, record)
        counted = rows["ticks"].astype(np.int64) * NANOSECONDS_PER_MEGAHERTZ_TICK // self._core.clock_mhz
        return Emulated(rows["out"][:, _columns(self._outputs)], counted, rows["returned"])

    def check_room(self) -> None:
        """Refuse to go on with a program that its emulated board has no memory for.

        Raises:
            NoRoom: saying what is missing.
        """
        taken, core = self.size(), self._core
        if taken.flash > core.rom_bytes or taken.ram + STACK_BYTES > core.ram_bytes:
            raise NoRoom(
                f"it takes {taken.flash} bytes of flash and {taken.ram + STACK_BYTES} of RAM, the emulated board "
                f"({core.machine}) has {core.rom_bytes} and {core.ram_bytes}"
            )

    def size(self) -> Size:
        """Flash and RAM of the whole program, without the stack."""
        told = subprocess.run(
            ["arm-none-eabi-size", str(self.path)], check=True, capture_output=True, text=True
        ).stdout.splitlines()[1]
        text, data, bss = (int(word) for word in re.findall(r"\d+", told)[:3])
        return Size(text + data, data + bss)


class NoRoom(Exception):
    """A program is larger than the memory of the board it was linked for."""


def missing_tools() -> tuple[str, ...]:
    """Programs that are needed and not installed."""
    return tuple(tool for tool in (COMPILER, EMULATOR) if shutil.which(tool) is None)


def require_tools() -> None:
    """Refuse to go on without the compiler and the emulator.

    Raises:
        MissingDependencyError: naming what is missing.
    """
    if missing := missing_tools():
        raise MissingDependencyError(
            "an emulated Cortex-M needs Arm's compiler and QEMU.",
            got=f"no {' and no '.join(missing)} on the path",
            expected=f"{COMPILER} (with newlib) and {EMULATOR}",
            fix="on Debian: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm",
        )


def _padded_places(sizes: Sequence[int]) -> list[int]:
    """Where parts begin that lie one behind another, each padded to four bytes; and where the last one ends."""
    return [sum(-(-size // 4) * 4 for size in sizes[:i]) for i in range(len(sizes) + 1)]


def _columns(sizes: Sequence[int]) -> np.ndarray:
    """Where the bytes of parts that lie end to end are when they are padded."""
    places = _padded_places(sizes)
    return np.concatenate([np.arange(start, start + size) for start, size in zip(places, sizes, strict=False)])


def model_header(name: str, inputs: Sequence[int], outputs: Sequence[int]) -> str:
    """octavo_harness.h, which tells a main program the model's names and sizes."""

    def places(sizes: Sequence[int]) -> str:
        return ", ".join(str(place) for place in _padded_places(sizes)[:-1])

    return "\n".join(
        [
            f'#include "{name}.h"',
            f"#ifndef HARNESS_INVOKE\n#define HARNESS_INVOKE {name}_invoke\n#endif",
            f"#define HARNESS_ARENA_BYTES {name.upper()}_ARENA_BYTES",
            f"#define HARNESS_INS {len(inputs)}",
            f"#define HARNESS_OUTS {len(outputs)}",
            f"#define HARNESS_IN_BYTES {_padded_places(inputs)[-1]}",
            f"#define HARNESS_OUT_BYTES {_padded_places(outputs)[-1]}",
            f"#define HARNESS_SELF_TEST_RUN {name}_self_test",
            f"#define HARNESS_IN_SIZES {{{', '.join(map(str, inputs))}}}",
            f"#define HARNESS_OUT_SIZES {{{', '.join(map(str, outputs))}}}",
            f"#define HARNESS_IN_PLACES {{{places(inputs)}}}",
            f"#define HARNESS_OUT_PLACES {{{places(outputs)}}}\n",
        ]
    )
