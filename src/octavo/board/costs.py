"""What kernels cost on a core: bytes of code and stack, and instructions, from the figures measured for this package.

kernel_costs.toml holds those of the C kernels (`python -m bench costs` measures them anew), micro_costs.toml those of
TensorFlow Lite Micro, which were taken once.
"""

from __future__ import annotations

import statistics
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from octavo.board.boards import Processor
from octavo.board.work import Work


@dataclass(frozen=True, slots=True)
class KernelCosts:
    """Figures of the C kernels on cores of one instruction set.

    Attributes:
        core: The emulated core they were measured on.
        program_bytes: Start-up code and a main program, without kernels.
        code: (bytes where one operator calls them, and the compiler makes them for it alone; bytes where more do; bytes
            of stack) by the functions that an operator calls, joined by "+".
        instructions: By operator and width of values (`width_named`): for each count of `octavo.board.work.Work`, and
            for the call.
    """

    core: str
    program_bytes: int
    code: Mapping[str, tuple[float, ...]]
    instructions: Mapping[str, tuple[float, ...]]

    def code_bytes(self, functions: Iterable[str]) -> int:
        """Code of sets of functions, each set those of one operator; of one that was not measured, a usual size."""
        usual = statistics.median(size for _, size, _ in self.code.values())
        calls = Counter(functions)
        return round(sum(self.code.get(each, (usual, usual))[min(count, 2) - 1] for each, count in calls.items()))

    def unknown(self, functions: Iterable[str]) -> tuple[str, ...]:
        """Those that were not measured."""
        return tuple(dict.fromkeys(each for each in functions if each not in self.code))

    def stack_bytes(self, functions: Iterable[str]) -> int:
        """Stack of the deepest of them."""
        return round(max((self.code.get(each, (0, 0, 256))[-1] for each in functions), default=0))

    def instructions_of(self, op: str, bits: int, work: Work) -> float:
        """Instructions of a call on values of as many bits; of what was not measured, twelve a step and result."""
        usual = (12.0, 12.0, 12.0, 0.0, 0.0, 0.0, 12.0, 200.0)
        return sum(map(float.__mul__, self.instructions.get(width_named(op, bits), usual), work.vector()))


def width_named(op: str, bits: int) -> str:
    """The name of an operator's instructions in kernel_costs.toml.

    >>> width_named("ADD", 8), width_named("ADD", 16)
    ('ADD', 'ADD of 16 bits')
    """
    return op if bits == 8 else f"{op} of {bits} bits"


@dataclass(frozen=True, slots=True)
class MicroCosts:
    """Figures of TensorFlow Lite Micro on a Cortex-M4.

    Attributes:
        versions: What was measured.
        program_bytes: The interpreter and a main program, without kernels.
        stack_bytes: That an invocation takes.
        code: Bytes by operator, with CMSIS-NN where it has a kernel.
        instructions: As in `KernelCosts`, likewise.
        saved_bytes: By which structures are smaller on a 32-bit core than on one of 64 bits, by the name that the
            recording allocator counts them under; of an operator, and of the interpreter itself.
    """

    versions: str
    program_bytes: int
    stack_bytes: int
    code: Mapping[str, float]
    instructions: Mapping[str, tuple[float, ...]]
    saved_bytes: Mapping[str, float]

    def code_bytes(self, ops: Iterable[str]) -> int:
        """Code of operators, each once; of one that was not measured, a usual size."""
        usual = statistics.median(self.code.values())
        return round(sum(self.code.get(op, usual) for op in dict.fromkeys(ops)))

    def instructions_of(self, op: str, work: Work) -> float:
        """Instructions of a call."""
        usual = (25.0, 25.0, 25.0, 0.0, 0.0, 0.0, 25.0, 1000.0)
        return sum(map(float.__mul__, self.instructions.get(op, usual), work.vector()))


def kernel_costs(processor: Processor) -> KernelCosts:
    """Figures of the C kernels on the core that is most like a board's."""
    dsp, arm = "dsp" in processor.features, processor.arm
    core = arm if arm in _kernels() else "cortex-m4" if dsp else "cortex-m3"
    row = _kernels()[core]
    return KernelCosts(core, round(row["program"]["bytes"][0]), row["code"], row["instructions"])


@cache
def micro_costs() -> MicroCosts:
    """Figures of TensorFlow Lite Micro."""
    return MicroCosts(**_table("micro_costs.toml"))


@cache
def _kernels() -> Mapping[str, Any]:
    return _table("kernel_costs.toml")


def _table(name: str) -> Mapping[str, Any]:
    return tomllib.loads((files("octavo") / "board" / name).read_text(encoding="utf-8"))
