"""What is done at each level of effort: methods in order, each kept where it helps on samples held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from octavo.condition.analytic_bias_correction import AnalyticBiasCorrection
from octavo.condition.bias_correction import BiasCorrection
from octavo.condition.choose_ranges import ChooseRanges
from octavo.condition.distill import Distill
from octavo.condition.estimate_by import EstimateBy
from octavo.condition.gptq import GPTQ
from octavo.condition.method import Conditioned, Method, settled
from octavo.condition.normals import Normal
from octavo.condition.reestimate_norms import ReestimateNorms
from octavo.condition.run import check_change, merged
from octavo.condition.samples import Samples
from octavo.condition.scale_channels import ScaleChannels
from octavo.condition.trial import Trial, decibels, decibels_text, surely_less
from octavo.dtypes import DType
from octavo.errors import NonFiniteError, RuntimeEndedError
from octavo.ir.notes import Note
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.numerics.estimators import Auto, Estimator, LeastSquares, MinMax
from octavo.plan.types import Plan

# About one sample in so many is held out at least, and of those that no method looks at all, up to so many.
HELD_OUT, MOST_HELD_OUT = 3, 64
# Of logits, for answers: at 4, 64 samples of ResNet-8 tell a gain of 1 dB in 98 of 100 draws, at 1 in 82.
TEMPERATURE = 4.0
# What all samples looked at may take.
SAMPLES_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """Methods in their order.

    Attributes:
        methods: Each is kept where it helps.
        samples: How many they look at, at most.
        onward: Whether they start from the best of the recipes before, and not from the graph as it is.
    """

    methods: tuple[Method, ...]
    samples: int
    onward: bool = False


NOTHING: Mapping[str, Normal] = MappingProxyType({})

# Ways to make ranges: each by its error, or all by the squared error of their values.
RANGES: tuple[Method, ...] = (ChooseRanges(), EstimateBy(LeastSquares()))

# By level; a level is the best of its own recipe and of those before it.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "default": Recipe((BiasCorrection(measure=False), ReestimateNorms()), 40),
        "good": Recipe((ScaleChannels(), GPTQ(), BiasCorrection(measure=False), *RANGES), 128),
        "best": Recipe((Distill(),), 1024, onward=True),
    }
)


def recipes_up_to(effort: str, estimator: Estimator) -> dict[str, Recipe]:
    """The recipes of a level and of those before it, by level; ranges are chosen unless another way was asked for."""
    names = list(RECIPES)
    recipes = {name: RECIPES[name] for name in names[: names.index(effort) + 1 if effort in names else 0]}
    if isinstance(estimator, Auto) and "good" not in recipes:
        recipes[estimator.name] = Recipe(RANGES, 64, onward=True)
    if not isinstance(estimator, MinMax):
        recipes = {name: _without_ranges(recipe) for name, recipe in recipes.items()}
    return recipes


def _without_ranges(recipe: Recipe) -> Recipe:
    return replace(recipe, methods=tuple(each for each in recipe.methods if each not in RANGES))


def improve(
    graph: Graph,
    plan: Plan,
    samples: Samples,
    effort: str,
    estimator: Estimator,
    seed: int = 0,
    normals: Mapping[str, Normal] = NOTHING,
) -> Conditioned:
    """The best of what the recipes up to a level make of a planned graph, by samples held out.

    Within a recipe, a method is left out, and said so, unless samples show that it helps beyond their differences.
    Samples that were made of what normalizations remember tell less than that itself: biases are first corrected by it,
    whatever such samples say.

    Args:
        graph: The float graph the plan was made of.
        plan: Of the scheme at hand.
        samples: Representative data.
        effort: A level.
        estimator: Of the ranges.
        seed: Of every random choice.
        normals: What normalizations remember of results, where the samples were made of that.
    """
    recipes = recipes_up_to(effort, estimator)
    if not recipes or all(rule.dtype.is_float for rule in plan.weights):
        return Conditioned(graph)
    sample_bytes = sum(tensor.size * tensor.dtype.numpy.itemsize for tensor in samples.inputs)
    most = max(HELD_OUT, SAMPLES_BYTES // max(1, sample_bytes))
    looked_at = max(recipe.samples for recipe in recipes.values())
    taken = samples.some(min(most, looked_at + MOST_HELD_OUT))
    # A single one held out tells no spread.
    held = min(max(2, len(taken) // HELD_OUT, len(taken) - looked_at), MOST_HELD_OUT) if len(taken) > HELD_OUT else 0
    seen = taken[: len(taken) - held]
    unseen = taken[len(taken) - held :] or taken
    try:
        trial = Trial.of(graph, plan, estimator, seen, unseen, TEMPERATURE)
        first = _from_normals(graph, plan, samples, normals)
        plain = trial.noises_of(first)
    except (NonFiniteError, RuntimeEndedError):
        # Calibration, or verification, meets it too, and knows the sample by its number.
        return Conditioned(graph)
    best, reached, level = first, plain, "fast"
    small = _has_small_weights(plan)
    for name, recipe in recipes.items():
        allowed = replace(samples, data=stacked(seen[: recipe.samples], graph.inputs), integer_divisor=1, limit=None)
        start = (best, reached) if recipe.onward else (first, plain)
        methods = [_seeded(method, estimator, seed) for method in recipe.methods if _is_for(method, small)]
        found, score = _judged(*start, plan, allowed, methods, trial)
        if surely_less(score, reached):
            best, reached, level = found, score, name
        elif recipe.onward or level == "fast":
            best = replace(best, notes=found.notes)
    where = f"{len(unseen)} samples held out" if held else "the samples themselves, too few to hold any out"
    told = Note(
        "effort",
        graph.name,
        f"'{level}' is best of {', '.join(('fast', *recipes))}: SQNR {_sqnr_text(reached)}, of 'fast' "
        f"{_sqnr_text(plain)}, on {where}",
    )
    return settled(replace(best, notes=(*best.notes, told)))


def _has_small_weights(plan: Plan) -> bool:
    """Whether some weights have fewer than eight bits."""
    return any(rule.dtype.bits < DType.INT8.bits for rule in plan.weights)


def _is_for(method: Method, small: bool) -> bool:
    """Whether a method is worth its time: eight bits move no deviation by much."""
    return small or not isinstance(method, ReestimateNorms)


def _from_normals(graph: Graph, plan: Plan, samples: Samples, normals: Mapping[str, Normal]) -> Conditioned:
    """What all recipes start from: the graph, with biases corrected by what normalizations remember, if anything.

    Where weights have fewer bits, what the layers before add to a layer's error matters more, which that leaves out.
    """
    state = Conditioned(graph)
    if not normals or _has_small_weights(plan):
        return state
    return merged(state, AnalyticBiasCorrection(normals).apply(state, plan, samples))


def _seeded(method: Method, estimator: Estimator, seed: int) -> Method:
    """A method with what a caller chose."""
    return replace(method, estimator=estimator, seed=seed) if isinstance(method, Distill) else method


def _judged(
    state: Conditioned, score: np.ndarray, plan: Plan, samples: Samples, methods: Sequence[Method], trial: Trial
) -> tuple[Conditioned, np.ndarray]:
    """What methods make of a state, those left out that do not surely help; and the noises of samples."""
    for method in methods:
        change = method.apply(state, plan, samples)
        check_change(method.name, state.graph, change, plan)
        after = merged(state, change)
        reached = trial.noises_of(after)
        if surely_less(reached, score) or np.array_equal(reached, score):
            state, score = after, reached
        else:
            harms = reached.mean() >= score.mean()
            why = "it does not help" if harms else f"{trial.count} samples do not show that it helps"
            text = f"left out, as {why}: SQNR {_sqnr_text(score)} before, {_sqnr_text(reached)} with it"
            state = replace(state, notes=(*state.notes, Note(method.name, state.graph.name, text)))
    return state, score


def _sqnr_text(noises: np.ndarray) -> str:
    return decibels_text(decibels(float(noises.mean())))
