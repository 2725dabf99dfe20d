"""Models in C on an emulated RISC-V core of 32 bits: another compiler, another instruction set, another C library."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

COMPILER, EMULATOR = "riscv64-unknown-elf-gcc", "qemu-system-riscv32"
_MISSING = [tool for tool in (COMPILER, EMULATOR) if shutil.which(tool) is None]
NEEDS_RISCV = [
    pytest.mark.emulator,
    pytest.mark.skipif(bool(_MISSING), reason=f"no {', no '.join(_MISSING)}: tools/install_emulator.sh riscv"),
]

# 32 MB of the board for code and constants, 64 MB behind for the rest.
_MEMORY = {"__flash": 0x80000000, "__flash_size": 1 << 25, "__ram": 0x82000000, "__ram_size": 1 << 26}
_MACHINE = ("-M", "virt", "-bios", "none", "-display", "none", "-monitor", "none", "-serial", "none")
_CONSOLE = ("-chardev", "stdio,id=console", "-semihosting-config", "enable=on,chardev=console")
_FLAGS = ("-std=c99", "-O2", "-ffreestanding", "-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs")
_VECTORS = '.section .rodata\n.balign 16\n.global vectors\nvectors: .incbin "vectors.bin"\n'
_MAIN = """\
#include <stdio.h>
#include <string.h>
#include "{name}.h"
extern const int8_t vectors[];
static int8_t out[{outputs}] __attribute__((aligned(16)));
static uint32_t arena[({upper}_ARENA_BYTES + 3) / 4];
int main(void) {{
  for (int i = 0; i < {count}; i++) {{
    memset(arena, 0xA5, sizeof arena);
    int returned = {name}_invoke((const void *)(vectors + (size_t)i * {inputs}), (void *)out, arena);
    for (size_t j = 0; j < sizeof out; j++) {{
      printf("%02x", (uint8_t)out[j]);
    }}
    returned = returned != 0 ? returned : {name}_self_test((void *)out, arena);
    printf("%02x\\n", (uint8_t)returned);
  }}
  return 0;
}}
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A model of one input and one output that was written into a folder, NAME.c and NAME.h.

    Attributes:
        folder: Where it lies, and what is built.
        name: Of the model.
        inputs, outputs: Bytes.
    """

    folder: Path
    name: str
    inputs: int
    outputs: int

    def run(self, vectors: np.ndarray) -> np.ndarray:
        """What it computes of int8 [vectors, inputs]: int8 [vectors, outputs].

        It fails where the compiler warns, a call returns anything but 0, or the self-test does not pass.
        """
        main = _MAIN.format(
            name=self.name, upper=self.name.upper(), count=len(vectors), inputs=self.inputs, outputs=self.outputs
        )
        (self.folder / "vectors.bin").write_bytes(vectors.tobytes())
        (self.folder / "vectors.S").write_text(_VECTORS)
        (self.folder / "main.c").write_text(main)
        memory = [f"-Wl,--defsym={name}={value:#x}" for name, value in _MEMORY.items()]
        warnings = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
        sources = (f"{self.name}.c", "main.c", "vectors.S")
        command = [
            COMPILER,
            *_FLAGS,
            *warnings,
            "--oslib=semihost",
            "--crt0=hosted",
            *memory,
            *sources,
            "-o",
            "program.elf",
        ]
        built = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr
        emulate = [EMULATOR, *_MACHINE, *_CONSOLE, "-kernel", "program.elf"]
        ran = subprocess.run(emulate, cwd=self.folder, capture_output=True, text=True, check=False, timeout=600)
        rows = np.array([list(bytes.fromhex(line)) for line in ran.stdout.split()], np.uint8).view(np.int8)
        assert rows.shape == (len(vectors), self.outputs + 1), ran.stderr
        assert not rows[:, -1].any(), "a call or the self-test failed"
        return rows[:, :-1]
