"""LiteRT, the runtime of phones and desktops, behind names instead of tensor indices."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from octavo.errors import DatasetError, ModelFileError
from octavo.ir.types import Shape
from octavo.run.quiet import native_stderr
from octavo.run.runtime import Runtime
from octavo.run.signature import Port, checked_inputs, not_a_model, read_signature, run_failed

Kernels = Literal["default", "reference"]


class LiteRT(Runtime):
    """A model in LiteRT, ready to run.

    Args:
        model: The content of a .tflite file.
        kernels: "default" runs on XNNPACK where it has the operator, as every application does; "reference" on LiteRT's
            plain C++ kernels.
        threads: Threads a kernel may use.
        keep_all: Keep every intermediate tensor for `tensor`. XNNPACK then runs each operator by itself and fuses none.

    Raises:
        ModelFileError: if LiteRT refuses the model; its reason is the error's `got`.
    """

    def __init__(self, model: bytes, *, kernels: Kernels = "default", threads: int = 1, keep_all: bool = False) -> None:
        signature = read_signature(model)
        self.inputs: tuple[Port, ...] = signature.inputs
        self.outputs: tuple[Port, ...] = signature.outputs
        self._tensors = signature.tensors
        self._shapes = tuple(port.shape for port in self.inputs)
        self._keep_all = keep_all
        with native_stderr() as lines:
            self._interpreter, reason = _interpreter(model, kernels, threads, keep_all)
        if self._interpreter is None:
            raise not_a_model(reason) if "Flatbuffer" in reason else _refused(reason)
        _pass_on(lines)

    def run(self, inputs: Mapping[str, np.ndarray], *, copy: bool = True) -> dict[str, np.ndarray]:
        """Run the model once.

        Args:
            inputs: An array for each input, in the input's dtype. A shape other than the file's resizes the model.
            copy: False returns views of the runtime's own memory: the next run overwrites them, and refuses to start
                while one is alive.

        Returns:
            Arrays by output name.

        Raises:
            DatasetError: for missing or unknown names, another dtype, a shape the model cannot take, or values a kernel
                gives up on.
            RuntimeError: while views of an earlier run are alive.
        """
        self._set(inputs)
        self.invoke()
        read = self._interpreter.get_tensor if copy else lambda index: self._interpreter.tensor(index)()
        return {port.name: read(port.index) for port in self.outputs}

    def invoke(self) -> None:
        """Run again on the inputs of the last `run`."""
        try:
            self._interpreter.invoke()
        except RuntimeError as error:
            if "reference to internal data" in str(error):
                raise
            raise run_failed("LiteRT", str(error).strip()) from error

    def reset(self) -> None:
        """Let the model's variables be as they were before its first run."""
        self._interpreter.reset_all_variables()

    def close(self) -> None:
        """Free the model and its memory."""
        self._interpreter = None

    def tensor(self, name: str) -> np.ndarray:
        """A copy of a tensor after a run, by its name in the file; needs `keep_all`.

        Raises:
            KeyError: if the file has no such tensor.
        """
        assert self._keep_all, "intermediate tensors need keep_all=True"
        return self._interpreter.get_tensor(self._tensors[name])

    def output_shapes(self) -> tuple[Shape | None, ...]:
        """Shape of each output as it is now; None where only values decide it, and none were seen."""
        return tuple(self._decided(port.index) for port in self.outputs)

    def _decided(self, index: int) -> Shape | None:
        try:
            return tuple(map(int, self._interpreter.get_tensor(index).shape))
        except ValueError:  # it has no memory yet
            return None

    def _set(self, inputs: Mapping[str, np.ndarray]) -> None:
        arrays = checked_inputs(inputs, self.inputs)
        shapes = tuple(arrays[port.name].shape for port in self.inputs)
        if shapes != self._shapes:
            self._resize(shapes)
        for port in self.inputs:
            self._interpreter.set_tensor(port.index, arrays[port.name])

    def _resize(self, shapes: tuple[Shape, ...]) -> None:
        before, self._shapes = self._shapes, shapes
        try:
            self._allocate()
        except (RuntimeError, ValueError) as error:
            self._shapes = before
            self._allocate()
            raise DatasetError(
                "the model cannot take inputs of this shape.",
                got=f"{_shapes_text(self.inputs, shapes)} ({str(error).strip()})",
                expected=_shapes_text(self.inputs, before),
                fix="give the samples in the shape the model was made for, one at a time if its batch is fixed",
            ) from error

    def _allocate(self) -> None:
        with native_stderr() as lines:
            for port, shape in zip(self.inputs, self._shapes, strict=True):
                self._interpreter.resize_tensor_input(port.index, shape)
            self._interpreter.allocate_tensors()
        _pass_on(lines)


def _shapes_text(ports: tuple[Port, ...], shapes: tuple[Shape, ...]) -> str:
    return ", ".join(f"{port.name} {shape}" for port, shape in zip(ports, shapes, strict=True))


def _interpreter(model: bytes, kernels: Kernels, threads: int, keep_all: bool) -> tuple[Any, str]:
    """An interpreter with its memory allocated, or None and the reason."""
    # Native code is loaded where it runs.
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolvers = {"default": OpResolverType.BUILTIN, "reference": OpResolverType.BUILTIN_REF}
    try:
        with warnings.catch_warnings():
            # keep_all with XNNPACK warns that it takes memory, which is what was asked for.
            warnings.simplefilter("ignore", UserWarning)
            interpreter = Interpreter(
                model_content=model,
                num_threads=threads,
                experimental_op_resolver_type=resolvers[kernels],
                experimental_preserve_all_tensors=keep_all,
            )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        return None, str(error).strip()
    return interpreter, ""


def _refused(reason: str) -> ModelFileError:
    return ModelFileError(
        "LiteRT refuses this model.",
        got=reason,
        expected="operators and types that LiteRT has kernels for",
        fix="convert the model again with a version of LiteRT that matches the one installed",
    )


def _pass_on(lines: list[str]) -> None:
    """Print what LiteRT had to say, but for its information lines."""
    for line in lines:
        if not line.startswith("INFO:"):
            print(line, file=sys.stderr)
