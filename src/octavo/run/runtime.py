"""What every runtime offers, whatever it is written in: a file that is open in it takes and gives arrays by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Protocol, Self

import numpy as np

from octavo.run.signature import Port


class Runtime(Protocol):
    """A model file that is open in a runtime.

    A class that names this one as its base owes `run`, `tensor` and `reset`; the rest follows from them.

    Attributes:
        inputs: The file's inputs, in its order.
        outputs: Likewise its outputs.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the model once, from the state the last run left; arrays in the ports' dtypes, by name.

        Raises:
            DatasetError: for inputs that are not the model's, or values a kernel gives up on.
        """
        ...

    def tensor(self, name: str) -> np.ndarray:
        """A copy of a tensor after a run, by its name in the file; of a runtime that was opened to keep them all.

        Raises:
            KeyError: if the file has no such tensor.
            ValueError: if the runtime folded it away.
        """
        ...

    def reset(self) -> None:
        """Let the model's variables be as they were before its first run."""
        ...

    def close(self) -> None:
        """Give up what the runtime holds; it is not used afterwards."""

    def tensors(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Several of `tensor`, without those that the runtime folded away."""
        found: dict[str, np.ndarray] = {}
        for name in names:
            with suppress(ValueError):
                found[name] = self.tensor(name)
        return found

    def run_first(
        self, inputs: Mapping[str, np.ndarray], names: Sequence[str] = ()
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Outputs of a run as if it were the first, and `tensors` of it."""
        self.reset()
        return self.run(inputs), self.tensors(names)

    def run_each(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run samples one by one, each as if it were the first.

        Args:
            inputs: As for `run`, with any number of samples along the first axis.

        Returns:
            Arrays by output name: the rows of each run's result, one after the other.
        """
        results = []
        for i in range(len(next(iter(inputs.values())))):
            self.reset()
            results.append(self.run({port.name: inputs[port.name][i].reshape(port.shape) for port in self.inputs}))
        return {
            port.name: np.concatenate([np.atleast_1d(result[port.name]) for result in results]) for port in self.outputs
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
