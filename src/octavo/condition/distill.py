"""Scales of weights and biases are trained, without labels, until the rounded network makes what the float one does.

Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Esser et al. 2020, "Learned Step Size
Quantization" (scales that train); Li et al. 2021, "BRECQ", with the network as one block and a share at every layer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from octavo.condition.method import Conditioned
from octavo.condition.rounded_network import batch_of, rounded_network, what_hinders
from octavo.condition.samples import Samples, check_samples
from octavo.ir.notes import Note
from octavo.ir.samples import stacked
from octavo.numerics.estimators import Estimator, MinMax
from octavo.plan.types import Plan


@dataclass(frozen=True, slots=True)
class Distill:
    """Train scales of weights, and biases, by the float network: every layer's results, and the outputs.

        minimize   share(outputs) + mean over layers of share(results),   share(y) = |rounded y - y|^2 / |y|^2

    The integers stay as they were chosen, and activations are rounded as the file rounds them, by ranges that stay; so
    few numbers train that some hundred samples do not mislead them, which are varied besides: images are cut and
    mirrored, real numbers mixed (`octavo.condition.variation`). Adam's rate falls to 0 along a cosine. It needs a
    Keras backend, whatever the model comes from. What a batch takes is bounded by 2 GiB: a network of large activations
    gets smaller batches. The same seed makes the same file on the same machine and backend.

    Attributes:
        samples: Look at so many at most.
        passes: Samples trained on, over and over.
        rate: The most that a step of Adam moves a number by: a scale in `GAIN_STEP`, a bias in steps of its results.
        seed: Of the order of samples.
        minutes: Stop after so long, with what was reached, which then depends on the machine; None for no limit.
        resume: A folder that keeps what was reached, so that training which was interrupted goes on; None for none.
        estimator: Of the ranges.

    Raises:
        ConfigError: if `samples` is not positive.
    """

    samples: int = 1024
    passes: int = 6400
    rate: float = 0.05
    seed: int = 0
    minutes: float | None = None
    resume: str | Path | None = None
    estimator: Estimator = field(default_factory=MinMax)

    def __post_init__(self) -> None:
        check_samples("Distill", self.samples, 1024)

    @property
    def name(self) -> str:
        """The method's name."""
        return "distill"

    def apply(self, before: Conditioned, plan: Plan, samples: Samples) -> Conditioned:
        """Train the scales of weights that are matrices, and their biases; see `octavo.condition.method.Method.apply`.

        Raises:
            MissingDependencyError: without a Keras backend.
        """
        graph = before.graph
        hindrance = what_hinders(graph, plan)
        if hindrance:
            return Conditioned(graph, notes=(Note(self.name, graph.name, f"nothing was trained: {hindrance}"),))
        from octavo.backend import start_keras

        start_keras()
        from octavo.condition.training import Schedule, train

        taken = stacked(samples.some(self.samples), graph.inputs)
        count = len(next(iter(taken.values())))
        network = rounded_network(before, plan, taken, before.estimator or self.estimator)
        resume = None if self.resume is None else Path(self.resume)
        schedule = Schedule(batch_of(graph, count), self.passes, self.rate, self.seed, self.minutes, resume)
        trained = train(network, taken, schedule, samples.progress)
        layers, share = len({rule.node for rule in plan.weights}), trained.after / max(trained.before, 1e-30)
        told = (
            f"trained scales and biases of {len(network.learned)} of {layers} layers on {count} samples: the noise of "
            f"their results is {share:.0%} of what it was"
        )
        return Conditioned(graph, trained.limits, trained.constants, (Note(self.name, graph.name, told),))
