"""One way to quantize, made and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from octavo.calibration.ranges import estimate
from octavo.calibration.runner import calibrate
from octavo.condition import BiasCorrection, Method
from octavo.condition.method import Conditioned
from octavo.config import LayerConfig, QuantizeConfig
from octavo.diagnosis.noise import mean_share, noise_share
from octavo.diagnosis.samples import (
    Arrays,
    Extremes,
    Told,
    count_of,
    float_activations,
    measure_extremes,
    rows,
    rows_of,
)
from octavo.evaluate.accuracy import Marks, measure_outputs
from octavo.evaluate.predict import predict
from octavo.ir.samples import sample_shape
from octavo.ir.types import Graph
from octavo.plan.make import make_plan, own_config
from octavo.plan.types import Plan
from octavo.quantization.quantize import quantized_graph
from octavo.run.signature import Port, read_signature
from octavo.stages import Prepared, Source, conditioned_by
from octavo.write.tflite import TFLITE


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What the level of effort made of a network's constants for one plan.

    Attributes:
        plan: What it was made for.
        data: What it was made by.
        conditioned: What was made.
        corrects: Whether that is corrected biases and nothing else.
    """

    plan: Plan
    data: Arrays
    conditioned: Conditioned
    corrects: bool


def corrects_biases_alone(graph: Graph, plan: Plan, conditioned: Conditioned) -> bool:
    """Whether conditioning left everything but biases as it was."""
    biases = {rule.tensor for rule in plan.biases}
    changed = (name for name, tensor in conditioned.graph.tensors.items() if tensor is not graph.tensors[name])
    return not conditioned.limits and conditioned.estimator is None and biases.issuperset(changed)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """How a network is quantized.

    Attributes:
        config: Options.
        data: Calibration samples by input name.
        extremes: Of these samples; what ranges are made of where extremes suffice.
        methods: Of conditioning.
        basis: What this level of effort made of the constants before, if it did.
        looked_at: How many samples conditioning is given; None for all.
    """

    config: QuantizeConfig
    data: Arrays
    extremes: Extremes
    methods: Sequence[Method] = ()
    basis: Basis | None = None
    looked_at: int | None = None

    @classmethod
    def begun(cls, prepared: Prepared, config: QuantizeConfig, data: Arrays, told: Told) -> Self:
        """A trial whose constants are made, and whose extremes are those of the network with them."""
        plan = make_plan(prepared.graph, config)
        conditioned = conditioned_by((), prepared, plan, Source(data), config)
        return cls(
            config,
            data,
            measure_extremes(conditioned.graph, data, told),
            basis=Basis(plan, data, conditioned, corrects_biases_alone(prepared.graph, plan, conditioned)),
        )

    def made(self, prepared: Prepared) -> tuple[Graph, bytes]:
        """The graph and the file.

        Raises:
            OctavoError: if it cannot be made.
        """
        plan = make_plan(prepared.graph, self.config)
        conditioned = self._conditioned(prepared, plan)
        ranges = {}
        if plan.scheme.needs_data:
            estimator = conditioned.estimator or self.config.range_estimator
            statistics = self.extremes.statistics()
            # A bias that is corrected moves extremes by far less than a step.
            made_before = self.basis is not None and conditioned is self.basis.conditioned
            same = made_before or corrects_biases_alone(prepared.graph, plan, conditioned)
            if estimator.needs_histogram or not same:
                names = [name for name in float_activations(conditioned.graph) if name in set(plan.observed)]
                statistics = calibrate(conditioned.graph, names, self.data, needs_histogram=estimator.needs_histogram)
            ranges = estimate(conditioned.graph, plan, statistics, estimator)
        graph = quantized_graph(conditioned.graph, plan, self.config, ranges, conditioned.limits)
        return graph, TFLITE.write(graph, {"made_by": "octavo diagnose"})

    def _conditioned(self, prepared: Prepared, plan: Plan) -> Conditioned:
        """What was made before where weights are rounded as then; biases corrected anew where that is all it was."""
        methods = self.methods
        if self.basis is not None:
            if {*self.basis.plan.weights} == {*plan.weights} and self.basis.data is self.data:
                return self.basis.conditioned
            if self.basis.corrects and self.basis.conditioned.graph is not prepared.graph:
                methods = (BiasCorrection(measure=False),)
        return conditioned_by(methods, prepared, plan, Source(self.data, self.looked_at), self.config)

    def with_layers(self, layers: Sequence[str], **own: str | bool) -> Self:
        """The same with something else for some layers, beside what the configuration says of them already."""
        told = [
            replace(own_config(layer, self.config), pattern=literal(layer), **own)  # type: ignore[arg-type]
            for layer in layers
        ]
        kept = tuple(each for each in self.config.layers if each.pattern not in {one.pattern for one in told})
        return replace(self, config=replace(self.config, layers=(*told, *kept)))

    def with_config(self, **options: object) -> Self:
        """The same with other options."""
        chosen = self.basis is not None and self.basis.conditioned.estimator is not None
        basis = None if chosen or "effort" in options else self.basis
        return replace(self, config=replace(self.config, **options), basis=basis)  # type: ignore[arg-type]

    def with_methods(self, methods: Sequence[Method]) -> Self:
        """The same by other methods."""
        return replace(self, methods=tuple(methods), basis=None)

    def with_data(self, data: Arrays, extremes: Extremes) -> Self:
        """The same on other samples."""
        return replace(self, data=data, extremes=extremes)

    def on(self, kept: np.ndarray) -> Self:
        """The same, calibrated on some of the samples."""
        return self.with_data(rows(self.data, kept), self.extremes.only(kept))


def literal(layer: str) -> str:
    """A pattern that fits one name alone, or the layers within it."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in layer)


def layer_text(layers: Sequence[LayerConfig]) -> str:
    """Layer configurations as they are written in Python."""
    return ", ".join(
        "LayerConfig("
        + ", ".join(
            [
                repr(each.pattern),
                *(
                    f"{name}={value!r}"
                    for name in ("weights", "per_axis", "activations")
                    if (value := getattr(each, name)) is not None
                ),
            ]
        )
        + ")"
        for each in layers
    )


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """What files are measured by.

    Attributes:
        x: Samples by the float graph's input names.
        floats: The float network's outputs on them.
        ports: The float file's outputs.
        y: Labels by output name; None without any.
        metric: As users name it.
    """

    x: Arrays
    floats: Mapping[str, np.ndarray]
    ports: tuple[Port, ...]
    y: Mapping[str, np.ndarray] | None = None
    metric: object = None

    def of_file(self, model: bytes, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Outcome:
        """Run a file; its ports by the float graph's names.

        Raises:
            OctavoError: if it cannot run.
        """
        shapes = {port.name: sample_shape(port.shape) for port in read_signature(model).inputs}
        x = {inputs[name]: values.reshape(len(values), *shapes[inputs[name]]) for name, values in self.x.items()}
        found = predict(model, x)
        return self.of({name: found[other].reshape(self.floats[name].shape) for name, other in outputs.items()})

    def of(self, outputs: Mapping[str, np.ndarray]) -> Outcome:
        """What outputs are worth."""
        shares = noise_share(outputs, self.floats)
        marks, ties = None, None
        if self.y is not None:
            accuracy = measure_outputs(outputs, self.ports, self.y, self.floats, self.metric)
            marks = next((each.marks for each in accuracy if each.marks is not None), None)
            ties = next((each.ties for each in accuracy if each.ties is not None), None)
        return Outcome(shares, outputs, marks, ties)

    def only(self, chosen: slice | np.ndarray) -> Judge:
        """By some of the samples."""
        count = count_of(self.x)
        y = None if self.y is None else rows_of(self.y, chosen, count)
        return replace(self, x=rows(self.x, chosen), floats=rows_of(self.floats, chosen, count), y=y)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a file is worth.

    Attributes:
        shares: Noise of each sample's outputs by their signal, see `noise_share`.
        outputs: By the float graph's names.
        marks: What each sample contributes to the metric; None without labels.
        ties: Share of samples where several classes are largest, the float network's among them.
    """

    shares: np.ndarray
    outputs: Mapping[str, np.ndarray] = field(repr=False)
    marks: Marks | None = None
    ties: float | None = None

    @property
    def loss(self) -> float:
        """Mean share of the outputs' signal that is noise, 0 to 1."""
        return mean_share(self.shares)

    @property
    def noise(self) -> float:
        """Mean of `ln(1 + share)`: the share where it is small, not bounded by 1, and not made of few samples alone."""
        return float(np.log1p(self.shares).mean())

    @property
    def metric(self) -> float | None:
        """The metric over all samples."""
        return None if self.marks is None else self.marks.value

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {"noise_share": self.loss, "metric": self.metric, "ties": self.ties}
