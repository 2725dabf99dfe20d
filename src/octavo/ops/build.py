"""Makes graphs: names tensors, infers shapes, keeps execution order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.expected import Expected
from octavo.ir.graph import fresh_name
from octavo.ir.inputs import Inputs
from octavo.ir.types import Graph, Node, NoOptions, Options, Shape, Tensor
from octavo.ops.cast import of_one_type
from octavo.ops.roles import Parameter
from octavo.ops.table import spec_of


class GraphBuilder:
    """Collects operators in execution order.

    Args:
        name: The graph's name.
        lower_activation: Called for `activation`; a loader that knows activations by value passes its own.
        lower_calls: Called for `calls`, likewise.

    Attributes:
        layer: The layer whose operators are emitted.
        step: Which of the calls inside the layer is; "" where it has a lowering of its own.
        expected: What layers that normalize say of the values they were trained on.
    """

    def __init__(
        self,
        name: str,
        lower_activation: Callable[[GraphBuilder, Any, str], str] | None = None,
        lower_calls: Callable[[Callable[..., Any], Sequence[Any], Mapping[str, Any]], tuple[str, ...]] | None = None,
    ) -> None:
        self.name = name
        self.layer = ""
        self.step = ""
        self.expected: list[Expected] = []
        self._lower_activation, self._lower_calls = lower_activation, lower_calls
        self._tensors: dict[str, Tensor] = {}
        self._nodes: list[Node] = []
        self._inputs: list[str] = []

    def input(self, name: str, shape: Shape, dtype: DType = DType.FLOAT32) -> str:
        """Add a graph input of fixed shape, batch first."""
        name = self._add(Tensor(fresh_name(self._tensors, name), shape, dtype, layer=name))
        self._inputs.append(name)
        return name

    def constant(self, array: np.ndarray, suffix: str, *, scalar: bool = False) -> str:
        """Add a constant, named `layer/suffix` or `layer/step/suffix`; float64 becomes float32, int64 becomes int32.

        A layer that is called again finds the constant it made the first time. One number has one dimension, or none
        if it is to be a `scalar`, as it must where it meets others.
        """
        array = np.asarray(array) if scalar else np.ascontiguousarray(array)
        array = array.astype({"float64": "float32", "int64": "int32"}.get(array.dtype.name, array.dtype), copy=False)
        name = "/".join(part for part in (self.layer, self.step, suffix) if part)
        known = self._tensors.get(name)
        if known is not None and known.data is not None and _same(known.data, array):
            return name
        return self._add(Tensor(fresh_name(self._tensors, name), array.shape, DType.of(array), array, layer=self.layer))

    def expects(self, name: str, mean: np.ndarray, variance: np.ndarray) -> None:
        """Say what the layer at hand knows of a tensor: its statistics over the training data, see `Expected`."""
        self.expected.append(Expected(name, self.layer, mean.astype(np.float64), variance.astype(np.float64)))

    @classmethod
    def extending(cls, graph: Graph) -> GraphBuilder:
        """A builder that has all of a graph, to add operators behind its own."""
        builder = cls(graph.name)
        builder._tensors, builder._nodes = dict(graph.tensors), list(graph.nodes)
        builder._inputs = list(graph.inputs)
        return builder

    def variable(self, shape: Shape, suffix: str) -> str:
        """Add a state that one operator reads, named `layer/suffix`, zero at the reset."""
        name = fresh_name(self._tensors, f"{self.layer}/{suffix}" if self.layer else suffix)
        return self._add(Tensor(name, shape, layer=self.layer, is_variable=True))

    def emit(self, op: str, inputs: Sequence[str | None], options: Options = NoOptions(), *, suffix: str = "") -> str:
        """Add an operator with one output and return the output's name."""
        return self.emit_many(op, inputs, options, outputs=1, suffix=suffix)[0]

    def emit_many(
        self, op: str, inputs: Sequence[str | None], options: Options = NoOptions(), *, outputs: int, suffix: str = ""
    ) -> tuple[str, ...]:
        """Add an operator and return its outputs' names. Names are `layer` or `layer/suffix`, made unique.

        Whole numbers that it has no kernel for, or not beside reals, are cast.
        """
        spec = spec_of(op)
        inputs = of_one_type(self, spec, inputs)
        operands = Inputs(None if name is None else self._tensors[name] for name in inputs)
        shapes = spec.shapes(options, operands)
        assert len(shapes) == outputs, f"{op} makes {len(shapes)} results, not {outputs}"
        base = "/".join(part for part in (self.layer, suffix) if part) or op.lower()
        data = [t for i, t in enumerate(operands.items) if t is not None and not isinstance(spec.role(i), Parameter)]
        common = DType.INT32 if spec.of_shapes else data[0].dtype if data else DType.FLOAT32
        types = (common,) * outputs if spec.types is None else spec.types(options, operands)
        names = tuple(
            self._add(Tensor(fresh_name(self._tensors, base), shape, dtype, layer=self.layer))
            for shape, dtype in zip(shapes, types, strict=True)
        )
        self._nodes.append(Node(op, tuple(inputs), names, options, self.layer))
        return names

    def emit_into(self, variable: str, op: str, inputs: Sequence[str | None], options: Options) -> None:
        """Add an operator whose result is the next value of a variable."""
        self._nodes.append(Node(op, tuple(inputs), (variable,), options, self._tensors[variable].layer))

    def depends(self, name: str, source: str) -> bool:
        """Whether a tensor is computed of another."""
        reached = {source}
        for node in self._nodes:
            if reached.intersection(node.inputs):
                reached.update(node.outputs)
        return name in reached

    def activation(self, function: Any, name: str) -> str:
        """Emit an activation function, as the loader understands it, on tensor `name`."""
        assert self._lower_activation is not None, "this builder was made without a loader's activations"
        return self._lower_activation(self, function, name)

    def calls(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] = MappingProxyType({})
    ) -> tuple[str, ...]:
        """Emit the keras.ops calls that a function makes on arguments, tensors by reference; its results' names."""
        assert self._lower_calls is not None, "this builder was made without a loader of Keras calls"
        return self._lower_calls(function, args, kwargs)

    def dtype(self, name: str) -> DType:
        """Element type of a tensor."""
        return self._tensors[name].dtype

    def shape(self, name: str) -> Shape:
        """Shape of a tensor."""
        return self._tensors[name].shape

    def tensor(self, name: str) -> Tensor:
        """A tensor."""
        return self._tensors[name]

    def finish(self, outputs: Sequence[str]) -> Graph:
        """The graph with these outputs."""
        return Graph(self.name, self._tensors, tuple(self._nodes), tuple(self._inputs), tuple(outputs))

    def _add(self, tensor: Tensor) -> str:
        self._tensors[tensor.name] = tensor
        return tensor.name


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b)
