"""`make fuzz`: many damaged files, read in child processes with limits; what is found is printed and kept.

python -m fuzz [CASES] [FOLDER] [FIRST]: CASES (20000) are spread over the kinds of files, from number FIRST (0) on;
those that fail go to FOLDER.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from fuzz.mutations import READERS, problem, seeds

BATCH, SECONDS, MEMORY = 100, 300, 12 << 30


def child(kind: str, start: int, stop: int, kept: Path) -> None:
    """Read the cases of one kind from `start` up to `stop`; the last line printed is the case at work."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        seed = seeds(Path(folder), (kind,))[kind]
        for case in range(start, stop):
            content = READERS[kind][1](seed, np.random.default_rng((case, len(kind))))
            (kept / f"at-work.{kind}").write_bytes(content)
            found = problem(kind, content, Path(folder))
            if found is not None:
                (kept / f"{case}.{kind}").write_bytes(content)
                print(f"{kind} case {case}: {found.splitlines()[0][:300]}", flush=True)


def main(cases: int, kept: Path, first: int) -> int:
    kept.mkdir(parents=True, exist_ok=True)
    bad = 0
    for kind in READERS:
        each, lines = cases // len(READERS), []
        for start in range(first, first + each, BATCH):
            command = [
                sys.executable,
                "-m",
                "fuzz",
                "child",
                kind,
                str(start),
                str(min(start + BATCH, first + each)),
                str(kept),
            ]
            try:
                ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
                lines += [line for line in ended.stdout.splitlines() if line.startswith(kind)]
                died = f"ended with {ended.returncode}" if ended.returncode else ""
            except subprocess.TimeoutExpired:
                died = f"no end after {SECONDS} seconds"
            if died:
                (kept / f"at-work.{kind}").rename(kept / f"died-{start}.{kind}")
                lines.append(f"{kind} cases from {start}: {died}")
        print(f"| {kind} | {each} | {each - len(lines)} | {len(lines)} |", *lines, sep="\n", flush=True)
        bad += len(lines)
    return min(bad, 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
        folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp(prefix="octavo-fuzz-"))
        sys.exit(main(count, folder, int(sys.argv[3]) if len(sys.argv) > 3 else 0))
