"""What is told of long work while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Called with the name of a stage, how much of it is done, and how much there is, if that is known.
Progress = Callable[[str, int, int | None], None]


def batch_counter(progress: Progress, stage: str, total: int, done: int = 0) -> Any:
    """A keras.callbacks.Callback that tells of every batch trained on, of `total`, `done` of which are behind."""
    import keras

    def count(batch: int, logs: object) -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    return keras.callbacks.LambdaCallback(on_train_batch_end=count)
