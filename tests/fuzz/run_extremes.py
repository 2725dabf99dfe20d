"""`make extremes`: quantizes models with extreme numbers in child processes, and prints what came of them by family.

python -m fuzz.run_extremes [CASES] [FIRST]: CASES (1000) models, from number FIRST (0) on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

OUTCOMES = ("proven", "refused", "unproven", "bare", "died")
BATCH, SECONDS_A_CASE = 20, 120


def child(first: int, stop: int) -> None:
    """Print the number of each case before it starts, and its outcome behind."""
    from fuzz.extremes import outcome

    for case in range(first, stop):
        print(json.dumps([case]), flush=True)
        print(json.dumps([case, *outcome(case)]), flush=True)


def outcomes(first: int, stop: int) -> Iterator[tuple[int, str, str, str]]:
    """(case, family, outcome, more) of each; a child that dies or hangs has "died", and the next case goes on."""
    while first < stop:
        last = min(first + BATCH, stop)
        command = [sys.executable, "-m", "fuzz.run_extremes", "child", str(first), str(last)]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=SECONDS_A_CASE * (last - first), check=False
            )
            printed, how = ended.stdout, f"ended with {ended.returncode}: {ended.stderr[-300:]}"
        except subprocess.TimeoutExpired as error:
            printed, how = (error.stdout or b"").decode(), "no end in time"
        told = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
        yield from (tuple(each) for each in told if len(each) > 1)
        if not told or len(told[-1]) > 1 or told[-1][0] == last:
            first = last if told else stop
            if not told:
                yield first, "every family", "died", how
        else:
            yield told[-1][0], "at work", "died", how
            first = told[-1][0] + 1


def main(cases: int, first: int) -> int:
    """Print the table, of those so far if interrupted, and a line for each case that is not proven.

    Returns:
        1 if any ended in death or a bare exception.
    """
    counts: dict[str, Counter[str]] = {}
    with suppress(KeyboardInterrupt):
        for case, family, found, more in outcomes(first, first + cases):
            counts.setdefault(family, Counter())[found] += 1
            if found != "proven":
                print(f"case {case}, {family}, {found}: {' '.join(more.split())[:400]}", flush=True)
    print("| family | tried | " + " | ".join(OUTCOMES) + " |", "|---" * (2 + len(OUTCOMES)) + "|", sep="\n")
    for family, found in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        print(f"| {family} | {found.total()} | " + " | ".join(str(found[each]) for each in OUTCOMES) + " |")
    total = sum(counts.values(), Counter())
    return int(bool(total["bare"] + total["died"]))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(int(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main(*(int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((1, 1000), (2, 0)))))
