"""Objects, and runtimes above all, that live in a child process: what kills them there is an error here."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

import numpy as np

from octavo.errors import RuntimeEndedError
from octavo.run.runtime import Runtime
from octavo.run.signature import Port
from octavo.run.worker import Worker, pool

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")

# Samples that go to a child at a time: enough to outweigh the message.
MESSAGE_BYTES = 4 << 20


class Remote(Generic[T]):
    """An object in a child process of its own.

    Args:
        name: What it is called in errors: "LiteRT".
        make: Makes it, in the child; a function that can be imported there, as are all that `ask` is given.
        args, kwargs: For `make`.

    Raises:
        RuntimeEndedError: if no child starts, if it dies, or exceeds a limit; and whatever `make` raises.
    """

    def __init__(self, name: str, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        self._name = name
        self._make: tuple[Any, ...] = (make, args, kwargs)
        self._take()

    def ask(self, function: Callable[Concatenate[T, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function makes of the object, in the child.

        Raises:
            RuntimeEndedError: if the child dies or exceeds a limit; and whatever `function` raises.
        """
        return self.ask_for("on these inputs", 1, function, *args, **kwargs)

    def ask_for(
        self, where: str, units: int, function: Callable[Concatenate[T, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """As `ask`, for what errors name ("on samples 0 to 31") and as many times the time limit as there are units."""
        if self._worker.owner != os.getpid():  # this process is a fork of the one that made it
            self._take()
        return cast(R, self._worker.call(self._name, where, units, (False, function, args, kwargs)))

    @property
    def alive(self) -> bool:
        """Whether its process is."""
        return self._worker.alive

    @property
    def process_id(self) -> int:
        """Of the child."""
        return self._worker.process_id

    def close(self) -> None:
        """Let the object go, and give the child back for others to use."""
        with suppress(RuntimeEndedError):  # what it did before was told already
            if self._give_back.alive and self._worker.alive:
                self._worker.call(self._name, "as it closes", 1, (True, _Nothing, (), {}))
        self._give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _take(self) -> None:
        self._worker: Worker = pool().take()
        self._give_back = weakref.finalize(self, _give_back, self._worker)
        make, args, kwargs = self._make
        try:
            self._worker.call(self._name, "as it loads the model", 1, (True, make, args, kwargs))
        except BaseException:
            self._give_back()
            raise


def _give_back(worker: Worker) -> None:
    pool().give_back(worker)


def in_child(name: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What a function returns, called in a child process.

    Raises:
        RuntimeEndedError: if no child starts, if it dies, or exceeds a limit; and whatever `function` raises.
    """
    with Remote(name, _Nothing) as remote:
        return remote.ask(_called, function, args, kwargs)


class _Nothing:
    """What a child holds that only calls functions."""


def _called(held: _Nothing, function: Callable[..., R], args: Any, kwargs: Any) -> R:
    return function(*args, **kwargs)


class SupervisedRuntime(Runtime):
    """A model file that is open in a runtime in a child process.

    Args:
        name: The runtime's, in errors.
        opener: Opens the file, in the child: a class on `Runtime`, or a `functools.partial` of one.
        model: The content of the file.
        options: For the opener.

    Raises:
        RuntimeEndedError: if the runtime ends its process on this file; and whatever the opener raises.
    """

    def __init__(self, name: str, opener: Callable[..., Runtime], model: bytes, **options: Any) -> None:
        self._remote = Remote(name, opener, model, **options)
        self.inputs, self.outputs = self._remote.ask(_ports)

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """As the runtime's own; so are the methods that follow."""
        return self._remote.ask(_run, dict(inputs))

    def ask(self, function: Callable[Concatenate[Any, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a function, which can be imported, makes of the runtime itself."""
        return self._remote.ask(function, *args, **kwargs)

    def tensor(self, name: str) -> np.ndarray:
        """A tensor of the last run."""
        return self._remote.ask(_tensor, name)

    def tensors(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Several, in one message."""
        return self._remote.ask(_tensors, tuple(names))

    def reset(self) -> None:
        """Let the model's variables be as they were before its first run."""
        self._remote.ask(_reset)

    def run_first(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str] = ()
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """A run as if it were the first, and tensors of it, in one message."""
        return self._remote.ask(_run_first, dict(inputs), tuple(names))

    def run_each(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Samples one by one, many in a message."""
        count = len(next(iter(inputs.values())))
        rows = max(1, MESSAGE_BYTES * count // max(1, sum(array.nbytes for array in inputs.values())))
        parts = []
        for start in range(0, count, rows):
            part = {name: array[start : start + rows] for name, array in inputs.items()}
            parts.append(self._remote.ask_for("on these samples", min(rows, count - start), _run_each, part))
        return {port.name: np.concatenate([part[port.name] for part in parts]) for port in self.outputs}

    def close(self) -> None:
        """Give the child back, for others to use."""
        self._remote.close()


def _ports(runtime: Runtime) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    return runtime.inputs, runtime.outputs


def _run(runtime: Runtime, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return runtime.run(inputs)


def _tensor(runtime: Runtime, name: str) -> np.ndarray:
    return runtime.tensor(name)


def _tensors(runtime: Runtime, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return runtime.tensors(names)


def _run_first(
    runtime: Runtime, inputs: dict[str, np.ndarray], names: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return runtime.run_first(inputs, names)


def _reset(runtime: Runtime) -> None:
    runtime.reset()


def _run_each(runtime: Runtime, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return runtime.run_each(inputs)
