"""A function in a fresh process: tools do not see each other, and peak memory is one tool's."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.real_data import ROOT


def in_process(module: str, function: str, *args: Any, backend: str = "jax") -> Any:
    """Result of `bench.<module>.<function>(*args)` in a new Python process with this Keras backend.

    Raises:
        RuntimeError: with the process's last words, if it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        task, result = Path(folder) / "task", Path(folder) / "result"
        task.write_bytes(pickle.dumps((module, function, args)))
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "bench.process", str(task), str(result)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            ended = f"bench.{module}.{function} ended with exit status {done.returncode}"
            raise RuntimeError(f"{ended}:\n{done.stderr[-2000:]}")
        return pickle.loads(result.read_bytes())


def _main(task: str, result: str) -> None:
    import importlib

    module, function, args = pickle.loads(Path(task).read_bytes())
    value = getattr(importlib.import_module(f"bench.{module}"), function)(*args)
    Path(result).write_bytes(pickle.dumps(value))


if __name__ == "__main__":
    _main(*sys.argv[1:])
