"""Mutation testing: how many small faults in the arithmetic, the plan and the passes do the fast tests notice?

    python tools/mutants.py --number 120

Cosmic Ray makes the mutants and runs the tests, each mutant in a child process with a time limit, in copies of the
source tree under `.mutants`. A run that was stopped goes on where it was, unless sources, tests or arguments have
changed.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cosmic_ray.config import serialize_config
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkItem, WorkResult

ROOT = Path(__file__).resolve().parent.parent
SESSIONS = ROOT / ".mutants"
# Each folder mutated, with the tests that are to notice, those of the folder itself first: they find most.
TESTS = {
    "plan": ("tests/unit", "tests/structure/test_values.py", "tests/passes", "tests/golden", "tests/ops"),
    "quantization": ("tests/unit", "tests/structure/test_values.py", "tests/golden", "tests/ops", "tests/passes"),
    "numerics": ("tests/unit", "tests/structure/test_values.py", "tests/ops", "tests/golden", "tests/passes"),
    "passes": ("tests/passes", "tests/structure/test_values.py", "tests/unit", "tests/golden", "tests/ops"),
    "qat/maths": ("tests/keras/test_fused_fake_quantization.py", "tests/keras/test_kernel_rounding.py"),
}
# How many times the tests' own time a mutant may take: a loop that no longer ends is a fault that was noticed.
PATIENCE = 5
# Where syntax trees hold annotations. Nothing evaluates them, so that no test could notice a mutant there.
ANNOTATIONS = ("annotation", "returns")


@dataclass(frozen=True, slots=True)
class Session:
    """The mutants of one folder that one worker tries, in a copy of the tree that is its own."""

    folder: str
    worker: int

    @property
    def tree(self) -> Path:
        """The worker's copy."""
        return SESSIONS / f"tree-{self.worker}"

    @property
    def config(self) -> Path:
        """Cosmic Ray's settings."""
        return SESSIONS / f"{self.folder.replace('/', '-')}.toml"

    @property
    def database(self) -> Path:
        """Mutants and results."""
        return SESSIONS / f"{self.folder.replace('/', '-')}-{self.worker}.sqlite"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutants that were not tried yet, and tell what survived.

    Returns:
        Exit code: 0, whatever the score; 2 where the tests fail without any mutant.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=120, help="mutants to try, of several thousand")
    parser.add_argument("--seed", type=int, default=0, help="chooses which")
    parser.add_argument("--workers", type=int, default=2, help="mutants tried at a time")
    parser.add_argument("--folders", nargs="*", default=list(TESTS), choices=list(TESTS))
    wanted = parser.parse_args(arguments)
    sessions = [Session(folder, worker) for worker in range(wanted.workers) for folder in wanted.folders]
    if not _can_resume(wanted) and not _begin(sessions, wanted.number, wanted.seed):
        return 2
    (SESSIONS / "run.json").write_text(_run_key(wanted))
    for worker in range(wanted.workers):
        _copy_tree(SESSIONS / f"tree-{worker}")
    with ThreadPoolExecutor(wanted.workers) as workers:
        list(workers.map(_execute, ([each for each in sessions if each.worker == w] for w in range(wanted.workers))))
    print("\n".join(_report(sessions)))
    return 0


def _run_key(wanted: argparse.Namespace) -> str:
    """What a run's results are of: the sources, the tests and the arguments."""
    digest = hashlib.sha256()
    for path in sorted(path for top in ("src", "tests", "tools") for path in (ROOT / top).rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return json.dumps({"sources": digest.hexdigest(), **vars(wanted)}, sort_keys=True)


def _can_resume(wanted: argparse.Namespace) -> bool:
    run = SESSIONS / "run.json"
    return run.exists() and run.read_text() == _run_key(wanted)


def _begin(sessions: Sequence[Session], number: int, seed: int) -> bool:
    """Choose the mutants; False where the tests fail by themselves."""
    shutil.rmtree(SESSIONS, ignore_errors=True)
    folders = {session.folder: session for session in sessions if session.worker == 0}
    _copy_tree(SESSIONS / "tree-0")
    limits: dict[frozenset[str], float] = {}
    for session in folders.values():
        tests = frozenset(TESTS[session.folder])
        limit = limits[tests] if tests in limits else _time_limit(session)
        if limit is None:
            return False
        limits[tests] = limit
        config = {
            "module-path": f"src/octavo/{session.folder}",
            "timeout": limit,
            "excluded-modules": [],
            "test-command": shlex.join(_tests(session.folder)),
            "distributor": {"name": "local"},
        }
        session.config.write_text(serialize_config(config))
        _cosmic_ray("init", session)
    items = [item for session in folders.values() for item in _work_items(session)]
    chosen = _sample(items, number, seed)
    print(f"{len(chosen)} mutants of {len(items)}, seed {seed}", flush=True)
    shares: dict[tuple[str, int], list[WorkItem]] = defaultdict(list)
    workers = len(sessions) // len(folders)
    for place, item in enumerate(chosen):
        folder = item.mutations[0].module_path.parent.relative_to("src/octavo").as_posix()
        shares[folder, place % workers].append(item)
    for session in sessions:
        with use_db(session.database) as database:
            database.clear()
            database.add_work_items(shares[session.folder, session.worker])
    return True


def _copy_tree(tree: Path) -> None:
    """A fresh copy of what the tests need, as the one before may hold a mutant."""
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", tree)


def _tests(folder: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", *TESTS[folder]]


def _environment(tree: Path) -> dict[str, str]:
    """CI lets hypothesis draw the same examples each time, keep none, and not look at the clock."""
    return {**os.environ, "PYTHONPATH": str(tree / "src"), "KERAS_BACKEND": "jax", "CI": "true"}


def _time_limit(session: Session) -> float | None:
    """Seconds a mutant may take, by the time that the tests take without one; None where they fail."""
    began = time.monotonic()
    tests = subprocess.run(
        _tests(session.folder), cwd=session.tree, env=_environment(session.tree), capture_output=True, text=True
    )
    if tests.returncode != 0:
        print(f"the tests of {session.folder} fail without any mutant:\n{tests.stdout}{tests.stderr}", file=sys.stderr)
        return None
    return PATIENCE * (time.monotonic() - began)


def _cosmic_ray(command: str, session: Session) -> None:
    tool = [sys.executable, "-m", "cosmic_ray.cli", command, str(session.config), str(session.database)]
    subprocess.run(tool, cwd=session.tree, env=_environment(session.tree), check=True)


def _execute(sessions: Iterable[Session]) -> None:
    for session in sessions:
        _cosmic_ray("exec", session)
        print(f"{session.folder}, worker {session.worker}: done", flush=True)


def _work_items(session: Session) -> Iterator[WorkItem]:
    """The mutants of a folder that can change anything."""
    with use_db(session.database) as database:
        for item in database.work_items:
            if not _in_annotation(item.mutations[0]):
                yield item


def _in_annotation(mutation: MutationSpec) -> bool:
    return any(first <= mutation.start_pos and mutation.end_pos <= last for first, last in _annotations(mutation))


def _annotations(mutation: MutationSpec) -> Iterable[tuple[tuple[int, int], tuple[int, int]]]:
    return _annotated_places(ROOT / mutation.module_path)


@cache
def _annotated_places(path: Path) -> tuple[tuple[tuple[int, int], tuple[int, int]], ...]:
    """(first, last) positions of the annotations of a module."""
    nodes = (getattr(node, name, None) for node in ast.walk(ast.parse(path.read_text())) for name in ANNOTATIONS)
    return tuple(
        ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        for node in nodes
        if isinstance(node, ast.expr) and node.end_lineno is not None and node.end_col_offset is not None
    )


def _sample(items: Iterable[WorkItem], number: int, seed: int) -> list[WorkItem]:
    """One mutant each of so many places: an operator has a dozen mutants, a constant two, and both count once."""
    places: dict[tuple[str, tuple[int, int]], list[WorkItem]] = defaultdict(list)
    for item in sorted(items, key=_order):
        places[str(item.mutations[0].module_path), item.mutations[0].start_pos].append(item)
    draw = random.Random(seed)
    return [draw.choice(places[place]) for place in draw.sample(sorted(places), min(number, len(places)))]


def _order(item: WorkItem) -> tuple[str, str, int]:
    mutation = item.mutations[0]
    return str(mutation.module_path), mutation.operator_name, mutation.occurrence


def _report(sessions: Iterable[Session]) -> Iterator[str]:
    """The survivors with the lines that were changed, and the score of each folder and of all."""
    results: dict[str, list[tuple[WorkItem, WorkResult]]] = defaultdict(list)
    for session in sessions:
        with use_db(session.database) as database:
            results[session.folder] += database.completed_work_items
    tried = [pair for pairs in results.values() for pair in pairs]
    for item, result in sorted(tried, key=lambda pair: _order(pair[0])):
        if not result.is_killed:
            mutation = item.mutations[0]
            yield f"{mutation.module_path}:{mutation.start_pos[0]}: {mutation.operator_name.removeprefix('core/')}"
            yield from (f"    {line}" for line in _changed_lines(result))
    for folder, pairs in results.items():
        yield _score(folder, [result for _, result in pairs])
    yield _score("all", [result for _, result in tried])


def _score(title: str, results: Sequence[WorkResult]) -> str:
    killed = sum(result.test_outcome is TestOutcome.KILLED for result in results)
    survived = sum(result.test_outcome is TestOutcome.SURVIVED for result in results)
    late = sum(result.output == "timeout" for result in results)
    rest = len(results) - killed - survived
    share = f"{100 * killed / len(results):.0f} %" if results else "-"
    return (
        f"{title:>14}: {len(results)} tried, {killed} killed ({late} by time), {survived} survived, {rest} odd; {share}"
    )


def _changed_lines(result: WorkResult) -> list[str]:
    lines = (result.diff or "").splitlines()
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("---", "+++")]


if __name__ == "__main__":
    sys.exit(main())
