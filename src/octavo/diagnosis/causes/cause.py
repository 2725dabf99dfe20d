"""What a cause is: what it looks for, what it has to show, and what it would change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from octavo.condition import Method
from octavo.condition.effort import RECIPES
from octavo.diagnosis.layer_errors import LayerError, Seen
from octavo.diagnosis.pair import Pair
from octavo.diagnosis.places import Place, layer_of
from octavo.diagnosis.samples import Extremes
from octavo.diagnosis.trial import Judge, Outcome, Trial
from octavo.ir.graph import consumers, producers
from octavo.ir.types import Node
from octavo.ops.roles import SameAsInput, SameAsOutput
from octavo.ops.table import spec_of
from octavo.plan.types import Plan

# A layer matters if it makes this share of the outputs' signal noise, and this share of the whole loss.
LEAST_EFFECT, LEAST_SHARE = 0.001, 0.05
# Levels of effort that try every method.
FULL = ("good", "best")


@dataclass(frozen=True, slots=True)
class Mend:
    """A change to how the network is quantized.

    Attributes:
        text: What is changed, for people.
        code: The same as it is written for `octavo.quantize`.
        change: Of a trial.
        tested_on: Which samples it is judged by; None for all.
    """

    text: str
    code: str
    change: Callable[[Trial], Trial] = field(compare=False)
    tested_on: slice | None = None


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a cause found, not yet proven.

    Attributes:
        layer: The layer to blame, as the user named it; "" for the whole network.
        evidence: One sentence.
        figures: The numbers in it, by name.
        effect: Share of the outputs' signal that is noise by this, as far as is known before anything is changed.
        mends: What may help, the likeliest first.
        samples: Of the calibration data, by index, where some are to blame.
    """

    layer: str
    evidence: str
    figures: Mapping[str, float]
    effect: float
    mends: tuple[Mend, ...]
    samples: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """All that is known of a file when causes are looked for.

    Attributes:
        pair: The float graph and the file's.
        places: Where the file rounds.
        plan: How Octavo would quantize the float graph; its groups are those of any file with the same kernels.
        errors: What each layer loses, by layer.
        seen: What its tensors hold on the samples looked at closely.
        test: Extremes on samples the file is judged by.
        trial: How the file was made; for a file that somebody else made, how Octavo would.
        own: Whether the file was made by the trial.
        judge: What files are measured by.
        outcome: What the file is worth.
        lost: Share of the outputs' signal that is noise on the samples that layers were looked at on.
        parts: Extra facts that some causes read: what runtimes make of the file, what training predicts.
    """

    pair: Pair
    places: tuple[Place, ...]
    plan: Plan
    errors: Mapping[str, LayerError]
    seen: Seen
    test: Extremes
    trial: Trial
    own: bool
    judge: Judge
    outcome: Outcome
    lost: float
    parts: Mapping[str, object] = field(default_factory=dict)

    def matters(self, effect: float) -> bool:
        """Whether an effect is worth a look."""
        return effect >= max(LEAST_EFFECT, LEAST_SHARE * self.lost)

    def activations(self) -> Iterator[tuple[Place, LayerError]]:
        """Places where activations are rounded, with their layer's errors."""
        return ((place, self.errors[place.layer]) for place in self.places if place.kind == "activations")

    def operands(self) -> Iterator[tuple[Place, LayerError]]:
        """Places where an operator is handed an activation otherwise rounded than it was made."""
        return ((place, self.errors[place.layer]) for place in self.places if place.kind == "operand")

    def weights(self) -> Iterator[tuple[Place, LayerError]]:
        """Likewise of weights."""
        return ((place, self.errors[place.layer]) for place in self.places if place.kind == "weights")

    def constants(self) -> Iterator[tuple[Place, LayerError]]:
        """Likewise of constants that are quantized like activations."""
        return ((place, self.errors[place.layer]) for place in self.places if place.kind == "constants")

    def effect_of(self, place: Place) -> float:
        """The effect of rounding an activation or operand; in a foreign file, of the biases its scale spoils as well.

        Kernels count a bias in steps of the scale of the data beside it.
        """
        own = self.seen.effects[place.measured]
        if self.own or place.kind == "operand":
            return own
        reading = {layer_of(node) for node in consumers(self.pair.floats)[place.tensor]}
        return max(own, *(self.errors[name].weights_effect for name in reading if name in self.errors), 0.0)

    def onward(self, tensor: str, alike: Callable[[str], bool]) -> tuple[str, ...]:
        """A tensor, and those made of it, one of the other, that are like it: room in one alone helps none of them."""
        readers, chain = consumers(self.pair.floats), {tensor: None}
        left = [tensor]
        while left:
            for node in readers[left.pop()]:
                for name in node.outputs:
                    if name in self.seen.reach and name not in chain and alike(name):
                        chain[name] = None
                        left.append(name)
        return tuple(chain)

    def around(self, tensors: Iterable[str]) -> tuple[str, ...]:
        """Layers that must change for the type of any of these tensors to."""
        return tuple(dict.fromkeys(layer for name in tensors for layer in self.makers_and_readers(name)))

    def makers_and_readers(self, tensor: str) -> tuple[str, ...]:
        """Layers that make a tensor, share its parameters, or read what does: all that must change for its type to."""
        graph = self.pair.floats
        made_by, readers = producers(graph), consumers(graph)
        layers: dict[str, None] = {}
        seen: set[str] = set()
        left = [tensor]
        while left:
            name = left.pop()
            if name in seen:
                continue
            seen.add(name)
            maker = made_by.get(name)
            if maker is not None:
                layers[layer_of(maker)] = None
                if shares_parameters(maker):
                    left += [each for each in maker.inputs if each and not graph.tensors[each].is_constant]
            for reader in readers[name]:
                layers[layer_of(reader)] = None
                if shares_parameters(reader):
                    left += reader.outputs
        return tuple(layers)


def shares_parameters(node: Node) -> bool:
    """Whether an operator's results have the parameters of its inputs."""
    return isinstance(spec_of(node.op).rule(), SameAsInput | SameAsOutput)


def of_layers(layers: Sequence[str], text: str, **own: str | bool) -> Mend:
    """Something else for some layers."""
    names = ", ".join(f"'{layer}'" for layer in layers)
    options = ", ".join(f"{name}={value!r}" for name, value in own.items())
    code = "layers=[" + ", ".join(f"LayerConfig({layer!r}, {options})" for layer in layers) + "]"
    return Mend(f"{text} {names}", code, partial(_with_layers, layers=tuple(layers), own=own))


def _with_layers(trial: Trial, layers: tuple[str, ...], own: Mapping[str, str | bool]) -> Trial:
    return trial.with_layers(layers, **own)


def wider(layers: Sequence[str]) -> tuple[Mend, ...]:
    """More room for the activations of some layers: 16 bits, or float where there are no kernels."""
    return (
        of_layers(layers, "16-bit activations of", activations="int16"),
        of_layers(layers, "float for", activations="float32"),
    )


def by_methods(trial: Trial, text: str, *methods: Method) -> tuple[Mend, ...]:
    """Conditioning beside what is done already; nothing where all of it is."""
    changed = _with_methods(trial, methods)
    if changed is trial:
        return ()
    return (Mend(text, methods_code(changed.methods), partial(_with_methods, methods=methods)),)


def methods_code(methods: Sequence[Method]) -> str:
    """Methods as they are written for `octavo.quantize`."""
    return f"methods=[{', '.join(f'{type(each).__name__}()' for each in methods)}]"


def _with_methods(trial: Trial, methods: Sequence[Method]) -> Trial:
    """A trial with more methods, each once, in the order in which they build on one another; else the same."""
    done = trial.methods or (() if trial.config.effort == "fast" else RECIPES["default"].methods)
    together = {each.name: each for each in (*methods, *done)}
    if trial.config.effort in FULL or len(together) == len(done):
        return trial
    order = [each.name for each in RECIPES["good"].methods]
    ordered = sorted(together.values(), key=lambda each: order.index(each.name) if each.name in order else 0)
    return trial.with_methods(ordered)


def full_effort(trial: Trial) -> Trial:
    """A trial with every method that helps."""
    return trial.with_config(effort="good").with_methods(())


def again(trial_code: str = "octavo.quantize(model, data=...)") -> Mend:
    """Leave the file, and quantize the float model again."""
    return Mend("quantize the float model again with Octavo", trial_code, _same)


def _same(trial: Trial) -> Trial:
    return trial


@dataclass(frozen=True, slots=True)
class Cause:
    """One way that quantization goes wrong.

    Attributes:
        name: For JSON and tests.
        title: For people.
        look: Finds it in a case.
    """

    name: str
    title: str
    look: Callable[[Case], Iterator[Suspicion]]
