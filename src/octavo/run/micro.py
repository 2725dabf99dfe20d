"""TensorFlow Lite Micro, the runtime of microcontrollers, run on this machine by its own interpreter."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.errors import DatasetError, MissingDependencyError, ModelFileError
from octavo.run.quiet import native_stderr
from octavo.run.runtime import Runtime
from octavo.run.signature import Port, checked_inputs, not_a_model, read_signature, run_failed

_ARENA = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")
_RECORDED = re.compile(r"'([^']+)' used (\d+) bytes .*for (\d+) ")


@dataclass(frozen=True, slots=True)
class Allocations:
    """What the arena of a model holds on this machine.

    Attributes:
        total: Bytes of all of it.
        head: Of them activations and scratch, which are the same on every machine.
        recorded: (bytes, count) of each kind of bookkeeping, by TensorFlow Lite Micro's name for it.
    """

    total: int
    head: int
    recorded: Mapping[str, tuple[int, int]]


class Micro(Runtime):
    """A model in TensorFlow Lite Micro, ready to run.

    Args:
        model: The content of a .tflite file that `LiteRT` takes: this interpreter checks no bytes. Where it does not
            refuse but abort, the process ends: open it in a child, as `octavo.run.targets` does.
        keep_all: Keep every intermediate tensor for `tensor`; the arena is then not the one a board needs.

    Raises:
        MissingDependencyError: if the package tflite-micro is not installed.
        ModelFileError: if TensorFlow Lite Micro refuses the model; its reason is the error's `got`.
    """

    def __init__(self, model: bytes, *, keep_all: bool = False) -> None:
        require()
        from tflite_micro import runtime

        signature = read_signature(model)
        self.inputs: tuple[Port, ...] = signature.inputs
        self.outputs: tuple[Port, ...] = signature.outputs
        self._tensors = signature.tensors
        self._keep_all = keep_all
        mode = (
            runtime.InterpreterConfig.kPreserveAllTensors
            if keep_all
            else runtime.InterpreterConfig.kAllocationRecording
        )
        # Room for every tensor at once, scratch buffers four times as wide, and filters unpacked from four bits.
        # A multiple of 16, or its end is lost to alignment and counted as used.
        arena_size = (2**20 + 5 * signature.activation_bytes + 3 * len(model)) // 16 * 16
        with native_stderr() as lines:
            self._interpreter, error = _interpreter(runtime, model, arena_size, mode)
        if error is not None:
            raise not_a_model(f"{len(model)} bytes: {error}") from error
        if self._interpreter is None:
            raise ModelFileError(
                "TensorFlow Lite Micro refuses this model.",
                got=_reason(lines),
                expected="operators and types that TensorFlow Lite Micro has kernels for",
                fix="use the scheme int8 or int16x8, and replace the operators that `octavo ops` lists without Micro",
            )

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the model once.

        Args:
            inputs: An array for each input, in the input's dtype and the file's shape.

        Returns:
            Arrays by output name.

        Raises:
            DatasetError: for missing or unknown names, another dtype or shape, or values a kernel gives up on.
        """
        arrays = checked_inputs(inputs, self.inputs)
        for position, port in enumerate(self.inputs):
            if arrays[port.name].shape != port.shape:
                raise DatasetError(
                    f"input '{port.name}' has another shape than the model's, which is fixed there.",
                    got=str(arrays[port.name].shape),
                    expected=str(port.shape),
                    fix="give one sample at a time, with its batch dimension",
                )
            self._interpreter.set_input(arrays[port.name], position)
        self._invoke()
        return {port.name: self._interpreter.get_output(position) for position, port in enumerate(self.outputs)}

    def reset(self) -> None:
        """Let the model's variables be as they were before its first run."""
        self._interpreter.reset()

    def close(self) -> None:
        """Free the model and its arena."""
        self._interpreter = None

    def tensor(self, name: str) -> np.ndarray:
        """A copy of a tensor after a run, by its name in the file; needs `keep_all`.

        Raises:
            KeyError: if the file has no such tensor.
        """
        assert self._keep_all, "intermediate tensors need keep_all=True"
        return self._interpreter.GetTensor(self._tensors[name], 0)["tensor_data"]

    def measure_arena(self) -> int:
        """Bytes of the arena the model takes on this machine.

        Its bookkeeping holds pointers, so that a 32-bit microcontroller takes a little less.
        """
        return self.measure_allocations().total

    def measure_allocations(self) -> Allocations:
        """What the arena holds on this machine."""
        assert not self._keep_all, "keep_all makes an arena of its own"
        with native_stderr() as lines:
            self._interpreter.print_allocations()
        told = "\n".join(lines)
        parts = {name: int(size) for name, size in _ARENA.findall(told)}
        assert parts.keys() >= {"total", "head"}, f"tflite-micro reports its arena in an unknown form: {lines}"
        recorded = {name: (int(size), int(count)) for name, size, count in _RECORDED.findall(told)}
        return Allocations(parts["total"], parts["head"], recorded)

    def _invoke(self) -> None:
        try:
            with native_stderr() as lines:
                self._interpreter.invoke()
        except RuntimeError as error:
            raise run_failed("TensorFlow Lite Micro", _reason(lines)) from error


def require() -> None:
    """Make sure that the interpreter is installed, without loading it.

    Raises:
        MissingDependencyError: if the package tflite-micro is not installed.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        raise MissingDependencyError(
            "running a model in TensorFlow Lite Micro needs the package tflite-micro.",
            got="no module named 'tflite_micro'",
            expected="tflite-micro, an optional dependency",
            fix='pip install "octavo[micro]"',
        )


def _interpreter(runtime: Any, model: bytes, arena_size: int, mode: Any) -> tuple[Any, Exception | None]:
    """An interpreter with its memory allocated; None if it refuses, the reason goes to standard error.

    Before that it reads the tables itself, and raises anything on bytes that are damaged; that error comes second.
    """
    try:
        return runtime.Interpreter.from_bytes(model, arena_size=arena_size, intrepreter_config=mode), None
    except RuntimeError:
        return None, None
    except MemoryError:
        raise
    except Exception as error:
        return None, error


def _reason(lines: list[str]) -> str:
    """What the native code printed, on one line."""
    return " ".join(line.strip() for line in lines if line.strip()) or "no reason given"
