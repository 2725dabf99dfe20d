"""What is installed, what is missing, and how to get it: `octavo doctor`."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING

from octavo.backend import BACKENDS, chosen_backend

if TYPE_CHECKING:
    from octavo.evaluate.verification import Verification


@dataclass(frozen=True, slots=True)
class Package:
    """A package Octavo uses.

    Attributes:
        module: Name it is imported by.
        distributions: Names it is installed by, the usual one first.
        extra: The extra of Octavo that brings it; "" for the core.
        purpose: What it is for.
    """

    module: str
    distributions: tuple[str, ...]
    extra: str
    purpose: str


PACKAGES = (
    Package("numpy", ("numpy",), "", "graphs and the integer simulator"),
    Package("keras", ("keras",), "", "loading models"),
    Package("flatbuffers", ("flatbuffers",), "", "the .tflite format"),
    Package("ai_edge_litert", ("ai-edge-litert",), "", "calibration, verification, latency"),
    Package("jax", ("jax",), "jax", "Keras backend"),
    Package("tensorflow", ("tensorflow-cpu", "tensorflow"), "tensorflow", "Keras backend, SavedModels"),
    Package("torch", ("torch",), "torch", "Keras backend"),
    Package("tflite_micro", ("tflite-micro",), "micro", "verification on TensorFlow Lite Micro, arena bytes"),
    Package("PIL", ("pillow",), "demo", "reading folders of images"),
    Package("sklearn", ("scikit-learn",), "demo", "the digits of `octavo demo`"),
    Package("jinja2", ("jinja2",), "report", "pages"),
    Package("vl_convert", ("vl-convert-python",), "report", "charts of pages"),
    Package("optuna", ("optuna",), "search", "trials of `octavo search`"),
    Package("ray", ("ray",), "ray", "`octavo search` on several machines"),
    Package("matplotlib", ("matplotlib",), "demo", "the picture of `octavo demo`"),
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that is no Python package.

    Attributes:
        commands: Names it goes by; one is enough.
        purpose: What it is for.
        fix: How to get it.
        path: Where it is; None where it is absent.
    """

    commands: tuple[str, ...]
    purpose: str
    fix: str
    path: str | None = None


TOOLS = (
    Tool(("gcc", "clang"), "models in C on this machine: octavo verify", "apt-get install gcc libc6-dev"),
    Tool(
        ("arm-none-eabi-gcc",),
        "models in C for Arm cores: octavo verify",
        "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    Tool(("qemu-system-arm",), "emulated Arm cores: octavo verify", "apt-get install qemu-system-arm"),
    Tool(("cmake",), "projects with CMake: octavo export --to cmake", "apt-get install cmake"),
    Tool(("cppcheck",), "looking over exported C; tests of Octavo's own", "apt-get install cppcheck"),
    Tool(("clang-tidy",), "looking over exported C, closer", "apt-get install clang-tidy"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One package on this machine.

    Attributes:
        package: Which.
        version: Installed version; None where it is absent.
    """

    package: Package
    version: str | None

    @property
    def fix(self) -> str:
        """The command that installs an absent package; "" for a present one."""
        if self.version is not None:
            return ""
        return f'pip install "octavo[{self.package.extra}]"' if self.package.extra else "pip install octavo"


@dataclass(frozen=True, slots=True)
class Installation:
    """The state of an installation.

    Attributes:
        python: Version of Python.
        machine: Operating system and processor.
        cores: Processor cores this process may use.
        keras_backend: The Keras backend that will be used, "" if none is installed.
        findings: Every package.
        tools: Every program.
        runtimes: What each runtime made of a small model, one sentence each; empty where the core is incomplete.
        problems: What keeps Octavo from working, one sentence each.
    """

    python: str
    machine: str
    cores: int
    keras_backend: str
    findings: tuple[Finding, ...]
    tools: tuple[Tool, ...]
    runtimes: tuple[str, ...]
    problems: tuple[str, ...]


def look_around() -> Installation:
    """Look at what is installed, and run a small model in every runtime."""
    findings = tuple(Finding(package, _version(package)) for package in PACKAGES)
    present = {finding.package.module for finding in findings if finding.version is not None}
    backend = chosen_backend()
    problems = [
        f"{f.package.module} is missing: {f.fix}" for f in findings if f.version is None and not f.package.extra
    ]
    runtimes = None if problems else check_runtimes()
    if backend not in present:
        asked = f"the Keras backend '{backend}' is not installed" if backend else "no Keras backend is installed"
        problems.append(f'{asked}: pip install "octavo[{backend or BACKENDS[0]}]"')
    if runtimes is not None and not runtimes.ok:
        problems.append(
            "a runtime does not compute what it should: see above, and install the versions of constraints.txt"
        )
    return Installation(
        python=platform.python_version(),
        machine=f"{platform.system()} {platform.machine()}",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        keras_backend=backend,
        findings=findings,
        tools=tuple(replace(tool, path=_found(tool.commands)) for tool in TOOLS),
        runtimes=runtimes.notes if runtimes else (),
        problems=tuple(problems),
    )


def check_runtimes() -> Verification:
    """Run a model of one int8 operator in every runtime there is and compare with the reference."""
    import numpy as np

    from octavo.dtypes import DType
    from octavo.evaluate.verify import verify
    from octavo.ir.graph import with_tensors
    from octavo.numerics.affine import asymmetric
    from octavo.ops.build import GraphBuilder
    from octavo.write.tflite import write_tflite

    builder = GraphBuilder("doctor")
    graph = builder.finish([builder.emit("RELU", [builder.input("x", (1, 8))])])
    parameters = asymmetric(-1.0, 1.0, DType.INT8)
    quantized = [replace(tensor, dtype=DType.INT8, quantization=parameters) for tensor in graph.tensors.values()]
    graph = with_tensors(graph, quantized)
    return verify(write_tflite(graph), graph, [{"x": np.linspace(-1, 1, 8, dtype=np.float32)[np.newaxis]}])


def _found(commands: tuple[str, ...]) -> str | None:
    """Where the first of some commands is that is on the path."""
    return next((path for command in commands if (path := shutil.which(command))), None)


def _version(package: Package) -> str | None:
    """Installed version, None if the module cannot be found."""
    if importlib.util.find_spec(package.module) is None:
        return None
    for distribution in package.distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"
