"""What `octavo.diagnose` costs until its first answer, against one calibration on the same samples, in CPU seconds.

Those of this process and of its children, whatever else the machine does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.process import in_process
from bench.real_data import images_224, mobilenet_224

SAMPLES = 100
# In a line of /proc/PID/stat, behind the name: the parent, and times of the process and of its children that ended.
PARENT, TIMES = 1, slice(11, 15)


def measure() -> dict[str, Any]:
    """A network that loses nothing, and the same with ranges that cut, where mends are tried."""
    return {name: in_process("diagnosis", "cost", name) for name in ("healthy", "ranges that cut")}


def cost(name: str) -> dict[str, Any]:
    """CPU seconds of a calibration and of a diagnosis of MobileNet at 224x224, up to its logits."""
    import keras

    import octavo
    from octavo.numerics.estimators import Percentile

    whole = mobilenet_224()
    model = keras.Model(whole.input, whole.get_layer("conv_preds").output)
    x = images_224(SAMPLES)
    options: dict[str, Any] = {} if name == "healthy" else {"estimator": Percentile(70.0)}
    octavo.calibrate(model, x[:2])  # starts the processes
    calibrations = [seconds_of(lambda: octavo.calibrate(model, x, **options)) for _ in range(2)]
    found: list[octavo.Diagnosis] = []
    diagnosis = seconds_of(lambda: found.append(octavo.diagnose(model, x, **options)))
    calibrations.append(seconds_of(lambda: octavo.calibrate(model, x, **options)))
    calibration = sum(calibrations) / len(calibrations)
    return {
        "calibration_cpu_s": calibration,
        "diagnosis_cpu_s": diagnosis,
        "diagnosis_over_calibration": diagnosis / calibration,
        "cause": found[0].findings[0].cause if found[0].findings else "none",
        "mends_tried": len(found[0].findings) + len(found[0].ruled_out),
        "regained": found[0].findings[0].mend.regained if found[0].findings else "",
    }


def seconds_of(task: Callable[[], object]) -> float:
    """CPU seconds that a task takes here and in children."""
    before = cpu_seconds()
    task()
    return cpu_seconds() - before


def cpu_seconds() -> float:
    """CPU seconds of this process and of all below it so far."""
    parents, seconds = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        parents[int(folder.name)] = int(fields[PARENT])
        seconds[int(folder.name)] = sum(map(int, fields[TIMES])) / os.sysconf("SC_CLK_TCK")
    ours = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(seconds[process] for process in ours)
