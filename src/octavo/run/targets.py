"""The runtimes that a written file is proven in: what the op table says of each, and how it is opened.

To add one, write a class on `octavo.run.runtime.Runtime` in a file of its own, and give it a line of `TARGETS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from octavo.dtypes import DType
from octavo.errors import MissingDependencyError, ModelFileError, RuntimeEndedError
from octavo.ir.graph import operands, results
from octavo.ir.types import Graph, Node, Tensor
from octavo.ops.operands import is_hybrid, working_type
from octavo.ops.spec import OpSpec
from octavo.ops.stored import StoredOperator
from octavo.ops.table import spec_of
from octavo.run.litert import LiteRT
from octavo.run.micro import Micro, require
from octavo.run.runtime import Runtime
from octavo.run.supervised import SupervisedRuntime


@dataclass(frozen=True, slots=True)
class Target:
    """A runtime and its kernels.

    Attributes:
        name: As reports name it.
        opener: Opens the content of a file, with the keyword `keep_all`; it runs in a child process, where it must be
            possible to import it: a class on `Runtime`, or a `functools.partial` of one.
        obstacle: Why an operator, of that row and with that type of data, cannot run there or not rightly; "" where it
            can.
        steps: The largest difference allowed of an operator's quantized result, in steps. Where an operator has state,
            what a runtime rounds otherwise comes back at every step of time and may grow: it is counted, not bounded.
        required: Whether a file that it does not run is a failure.
        installed: Raises `MissingDependencyError` where the runtime is not.
        folds: Whether it computes what follows from constants alone when it loads a file, and shows none of it.
        fuses: Whether it fuses operators where it need not keep every tensor, as applications do not: its outputs are
            then compared without keeping any, too.
    """

    name: str
    opener: Callable[..., Runtime]
    obstacle: Callable[[Graph, Node, OpSpec, DType], str]
    steps: Callable[[Graph, Node, OpSpec], float]
    required: bool = False
    installed: Callable[[], None] = lambda: None
    folds: bool = False
    fuses: bool = False

    def open(self, model: bytes, **options: Any) -> SupervisedRuntime:
        """A file, ready to run, in a child process.

        Args:
            model: Its content.
            options: Of the opener: `keep_all`, and what it has of its own.

        Raises:
            MissingDependencyError: if the runtime is not installed.
            ModelFileError: if it refuses the file.
            RuntimeEndedError: if the file ends its process.
        """
        self.installed()
        return SupervisedRuntime(self.name, self.opener, model, **options)

    def refuses(self, graph: Graph) -> str:
        """Why the op table says that this runtime cannot run a graph, or not rightly; "" where it can."""
        for node in graph.nodes:
            spec = spec_of(node.op)
            dtype = working_type(graph, node)
            if obstacle := self.obstacle(graph, node, spec, dtype):
                return f"{node.op} of '{node.layer or node.outputs[0]}' {obstacle}"
        return ""

    def allowed_steps(self, graph: Graph, node: Node, output: Tensor) -> float:
        """The largest difference allowed of an integer result, in steps; 0 of one that stands for no reals."""
        return 0 if output.quantization is None else self.steps(graph, node, spec_of(node.op))


def _micro_obstacle(graph: Graph, node: Node, spec: OpSpec, dtype: DType) -> str:
    if isinstance(node.options, StoredOperator):
        return _micro_refuses(node.options.content)
    if is_hybrid(graph, node):
        return "has float activations and int8 weights; TensorFlow Lite Micro has no hybrid kernels."
    return "" if dtype in spec.micro else f"has no kernel for {dtype.value} in TensorFlow Lite Micro."


@lru_cache
def _micro_refuses(operator: bytes) -> str:
    """Why TensorFlow Lite Micro does not take the file of one operator; "" where it does, or is not installed."""
    try:
        MICRO.open(operator).close()
    except (ModelFileError, RuntimeEndedError) as error:
        return f"has no kernel in TensorFlow Lite Micro: {error.got}"
    except MissingDependencyError:
        pass
    return ""


def _reference_obstacle(graph: Graph, node: Node, spec: OpSpec, dtype: DType) -> str:
    wrong = dtype in spec.wrong_in_litert_reference
    return f"is computed wrongly for {dtype.value} by LiteRT's reference kernels." if wrong else ""


def _no_obstacle(graph: Graph, node: Node, spec: OpSpec, dtype: DType) -> str:
    return ""


def _default_steps(graph: Graph, node: Node, spec: OpSpec) -> float:
    return math.inf if spec.states else 1 + spec.drift(node.options, operands(graph, node), results(graph, node))


MICRO = Target("TensorFlow Lite Micro", Micro, _micro_obstacle, steps=lambda graph, node, spec: 0, installed=require)
REFERENCE = Target(
    "LiteRT reference",
    partial(LiteRT, kernels="reference"),
    _reference_obstacle,
    steps=lambda graph, node, spec: math.inf if spec.states else 0 if spec.exact else 1,
)
DEFAULT = Target(
    "LiteRT default",
    LiteRT,
    _no_obstacle,
    steps=_default_steps,
    required=True,
    folds=True,
    fuses=True,
)

TARGETS: tuple[Target, ...] = (MICRO, REFERENCE, DEFAULT)
