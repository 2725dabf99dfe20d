"""Keras calls that deployment computes in several steps, computed in these steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from octavo.ops.table import spec_of
from octavo.qat.layers.fake_quantize import FakeQuantize
from octavo.qat.layers.live_constant import LiveConstant, batch_norm_affine
from octavo.qat.layers.neighbours import Around, Neighbours

PLACE = "tensor:"


def on_keras_tensors(op: str) -> Any:
    """An operator as a function of Keras tensors, inputs in order and options by name; None if it has no such form."""
    training = spec_of(op).training
    return None if training is None else training(ops)


@dataclass(frozen=True, slots=True)
class Step:
    """One operator: its name, inputs, results and the options it takes."""

    op: str
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """The steps of one call.

    Attributes:
        arguments: The positional and keyword arguments of the Keras call as Keras saves them; "tensor:0" stands for
            the first tensor among them.
        inputs: Graph tensor of each.
        outputs: Graph tensors that are the call's results.
        steps: In order.
        constants: By graph tensor.
        sites: (name of a fake quantizer, site) of each inner tensor that is rounded.
    """

    arguments: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, LiveConstant]
    sites: Mapping[str, tuple[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a layer's config."""
        constants = {name: constant.to_dict() for name, constant in self.constants.items()}
        steps = [asdict(step) for step in self.steps]
        return {
            "arguments": self.arguments,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "steps": [{**step, "inputs": list(step["inputs"]), "outputs": list(step["outputs"])} for step in steps],
            "constants": constants,
            "sites": {name: list(site) for name, site in self.sites.items()},
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(
            arguments=plain["arguments"],
            inputs=tuple(plain["inputs"]),
            outputs=tuple(plain["outputs"]),
            steps=tuple(map(_step, plain["steps"])),
            constants={name: LiveConstant.from_dict(constant) for name, constant in plain["constants"].items()},
            sites={name: (quantizer, site) for name, (quantizer, site) in plain["sites"].items()},
        )


def _step(plain: Mapping[str, Any]) -> Step:
    """A step of a config; one that was saved when all steps had one result names it apart."""
    outputs = plain.get("outputs") or [plain["output"]]
    return Step(plain["op"], tuple(plain["inputs"]), tuple(outputs), plain["options"])


@keras.saving.register_keras_serializable(package="octavo")
class LoweredCall(Around):
    """A layer or operation that is computed by the operators it is deployed as, with fake quantization between them.

    It stands where deployment rounds a value that the Keras call does not show, such as the mean in a layer
    normalization or the product in a batch normalization that nothing takes in. Variables stay the layer's own.

    Args:
        operation: The layer or operation.
        programs: The steps of each of its calls; the argument `which` of a call chooses.
        quantizers: Fake quantization of inner tensors; that of tensors which share parameters with others of the
            model stands elsewhere in it.

    Attributes:
        frozen: Whether a batch normalization uses its moving statistics in training too.
    """

    def __init__(
        self,
        operation: Any,
        programs: Sequence[Program],
        quantizers: Sequence[FakeQuantize],
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name or operation.name, trainable=trainable, dtype=dtype)
        self.operation, self.quantizers = operation, list(quantizers)
        self.programs, self.frozen = tuple(programs), False
        own = {quantizer.name for quantizer in quantizers}
        used = (quantizer for program in programs for quantizer, _ in program.sites.values())
        self.neighbours = Neighbours(quantizer for quantizer in used if quantizer not in own)

    @property
    def around(self) -> Any:
        """The user's layer or operation."""
        return self.operation

    def build(self, input_shape: Any) -> None:
        """Make the ranges, and the layer's variables if they are not there yet."""
        if isinstance(self.operation, keras.layers.Layer) and not self.operation.built:
            self.operation.build(input_shape)
        for quantizer in self.quantizers:
            quantizer.build(None)
        self.built = True

    def call(self, tensors: Sequence[Any], which: int = 0, training: bool | None = None) -> Any:
        """Run the steps of call number `which` on the tensors among its arguments."""
        program = self.programs[which]
        quantizers = {**{quantizer.name: quantizer for quantizer in self.quantizers}, **self.neighbours.layers}
        values = dict(zip(program.inputs, tensors, strict=True))
        x = next(tensor for name, tensor in values.items() if name not in program.constants)
        values |= self._constants(program, x, values, bool(training))
        for step in program.steps:
            operands = [None if name is None else values[name] for name in step.inputs]
            made = on_keras_tensors(step.op)(*operands, **step.options)
            for name, result in zip(step.outputs, made if len(step.outputs) > 1 else [made], strict=True):
                quantizer, site = program.sites.get(name, ("", -1))
                rounds = quantizer in quantizers
                values[name] = quantizers[quantizer](result, site=site, training=training) if rounds else result
        results = [values[name] for name in program.outputs]
        return results[0] if len(results) == 1 else results

    def call_operation(self, tensors: Sequence[Any], which: int) -> Any:
        """Call the layer or operation itself, with all its arguments."""
        arguments = keras.saving.deserialize_keras_object(self.programs[which].arguments)
        args, kwargs = keras.tree.map_structure(
            lambda leaf: tensors[int(leaf.removeprefix(PLACE))] if str(leaf).startswith(PLACE) else leaf, arguments
        )
        return self.operation(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "operation": keras.saving.serialize_keras_object(self.operation),
            "programs": [program.to_dict() for program in self.programs],
            "quantizers": [keras.saving.serialize_keras_object(quantizer) for quantizer in self.quantizers],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LoweredCall:
        """The inverse of `get_config`."""
        restore = keras.saving.deserialize_keras_object
        return cls(
            **{
                **config,
                "operation": restore(config["operation"]),
                "programs": [Program.from_dict(program) for program in config["programs"]],
                "quantizers": [restore(quantizer) for quantizer in config["quantizers"]],
                "dtype": restore(config["dtype"]),
            }
        )

    def _constants(self, program: Program, x: Any, given: Mapping[str, Any], training: bool) -> dict[str, Any]:
        """The constants by graph tensor; numbers in the precision of `x`, or the layer's where that is no real."""
        affine = None
        if any(constant.kind in ("scale", "offset") for constant in program.constants.values()):
            affine = batch_norm_affine(self.operation, x, training=training and not self.frozen)
        values = {
            name: constant.of(self.operation, affine, given.get(name)) for name, constant in program.constants.items()
        }
        indices = {name for name, value in values.items() if getattr(value, "dtype", None) == np.int32}
        precision = x.dtype if keras.backend.is_float_dtype(x.dtype) else self.compute_dtype
        return {name: value if name in indices else ops.cast(value, precision) for name, value in values.items()}
