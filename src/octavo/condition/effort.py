"""What is done at each level of effort: methods in order, each kept where it helps on samples held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Self

import numpy as np

from octavo.condition.analytic_bias_correction import AnalyticBiasCorrection
from octavo.condition.bias_correction import BiasCorrection
from octavo.condition.choose_ranges import ChooseRanges
from octavo.condition.distill import Distill
from octavo.condition.estimate_by import EstimateBy
from octavo.condition.gptq import GPTQ
from octavo.condition.method import Conditioned, Method, settled
from octavo.condition.normals import Normal
from octavo.condition.reconstruct import Reconstruct
from octavo.condition.reestimate_norms import ReestimateNorms
from octavo.condition.run import applied, merged
from octavo.condition.samples import Samples, Values
from octavo.condition.scale_channels import ScaleChannels
from octavo.condition.trial import Trial, decibels, decibels_text, surely_less
from octavo.dtypes import DType
from octavo.errors import NonFiniteError, RuntimeEndedError
from octavo.ir.notes import Note
from octavo.ir.samples import stacked
from octavo.ir.types import Graph
from octavo.numerics.estimators import Auto, Estimator, LeastSquares, MinMax
from octavo.ops.whole_graph import products_of
from octavo.plan.types import Plan

# About one sample in so many is held out at least, and of those that no method looks at all, up to so many; as many as
# run by so many products, and the fewest where each takes more.
HELD_OUT, MOST_HELD_OUT, FEWEST_HELD_OUT, HELD_PRODUCTS = 3, 64, 32, 2e10
# Ranges are measured anew for each try, on that many at least, and of more on what runs by so many products.
MEASURED_PRODUCTS = 3.5e10
# Products of a sample, up to which blocks are reconstructed: each is passed as often as in training.
RECONSTRUCTED_PRODUCTS = 2e7
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
        quick: Whether they take so little time that, of few samples, either half judges what they make of the other.
    """

    methods: tuple[Method, ...]
    samples: int
    onward: bool = False
    quick: bool = False


@dataclass(frozen=True, slots=True)
class _Part:
    """Samples that methods look at, and others that what they make is judged by."""

    seen: tuple[Values, ...]
    trial: Trial

    @classmethod
    def of(
        cls, graph: Graph, plan: Plan, estimator: Estimator, seen: tuple[Values, ...], held: tuple[Values, ...]
    ) -> Self:
        """With a trial of them."""
        measured = max(MOST_HELD_OUT, int(MEASURED_PRODUCTS // max(1, products_of(graph))))
        return cls(seen, Trial.of(graph, plan, estimator, seen[:measured], held, TEMPERATURE))


NOTHING: Mapping[str, Normal] = MappingProxyType({})

# Ways to make ranges: each by its error, or all by the squared error of their values.
RANGES: tuple[Method, ...] = (ChooseRanges(), EstimateBy(LeastSquares()))

# By level; a level is the best of its own recipe and of those before it.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "default": Recipe((BiasCorrection(measure=False), ReestimateNorms()), 40, quick=True),
        "good": Recipe((ScaleChannels(), GPTQ(), BiasCorrection(measure=False), *RANGES), 128),
        "best": Recipe((Reconstruct(), Distill()), 1024, onward=True),
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
    judges = min(MOST_HELD_OUT, max(FEWEST_HELD_OUT, int(HELD_PRODUCTS // max(1, products_of(graph)))))
    taken = samples.some(min(most, looked_at + judges))
    # A single one held out tells no spread.
    held = min(max(2, len(taken) // HELD_OUT, len(taken) - looked_at), judges) if len(taken) > HELD_OUT else 0
    seen, middle = taken[: len(taken) - held], len(taken) // 2
    few = partial(_few, samples, graph)
    part = partial(_Part.of, graph, plan, estimator)
    try:
        quick = any(recipe.quick for recipe in recipes.values()) and 0 < held < judges
        halves = [part(taken[:middle], taken[middle:]), part(taken[middle:], taken[:middle])] if quick else []
        is_quick = bool(halves) and all(recipe.quick for recipe in recipes.values())
        parts = halves if is_quick else [part(seen, taken[len(taken) - held :] or taken)]
        first = _from_normals(graph, plan, samples, normals)
        plain = _noises(parts, first)
    except (NonFiniteError, RuntimeEndedError):
        # Calibration, or verification, meets it too, and knows the sample by its number.
        return Conditioned(graph)
    best, reached, level = first, plain, "fast"
    small = _has_small_weights(plan)
    for name, recipe in recipes.items():
        methods = [_seeded(method, estimator, seed) for method in recipe.methods if _is_for(method, graph, small)]
        if recipe.quick and halves:
            before = plain if is_quick else _noises(halves, first)
            looked = [few(each.seen, recipe.samples) for each in halves]
            tried, after, kept = _judged([first] * 2, before, plan, looked, methods, halves)
            found = applied(first, plan, few(seen, recipe.samples), kept)
            left_out = (note for note in tried[0].notes if note.stage not in {each.name for each in kept})
            found = replace(found, notes=(*found.notes, *(note for note in left_out if note not in first.notes)))
            helps, score = surely_less(after, before), after if is_quick else _noises(parts, found)
        else:
            start = (best, reached) if recipe.onward else (first, plain)
            (found,), score, _ = _judged([start[0]], start[1], plan, [few(seen, recipe.samples)], methods, parts)
            helps = surely_less(score, reached)
        if helps:
            best, reached, level = found, score, name
        elif recipe.onward or level == "fast":
            best = replace(best, notes=found.notes)
    where = f"{len(reached)} samples held out" if held else "the samples themselves, too few to hold any out"
    told = Note(
        "effort",
        graph.name,
        f"'{level}' is best of {', '.join(('fast', *recipes))}: SQNR {_sqnr_text(reached)}, of 'fast' "
        f"{_sqnr_text(plain)}, on {where}",
    )
    return settled(replace(best, notes=(*best.notes, told)))


def _few(samples: Samples, graph: Graph, some: Sequence[Values], most: int) -> Samples:
    """The first of some samples, for methods to look at."""
    return replace(samples, data=stacked(some[:most], graph.inputs), integer_divisor=1, limit=None)


def _has_small_weights(plan: Plan) -> bool:
    """Whether some weights have fewer than eight bits."""
    return any(rule.dtype.bits < DType.INT8.bits for rule in plan.weights)


def _is_for(method: Method, graph: Graph, small: bool) -> bool:
    """Whether a method is worth its time: eight bits move no deviation by much, and their integers lie close enough."""
    if isinstance(method, Reconstruct) and products_of(graph) > RECONSTRUCTED_PRODUCTS:
        return False
    return small or not isinstance(method, ReestimateNorms | Reconstruct)


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
    if isinstance(method, Distill | Reconstruct):
        return replace(method, estimator=estimator, seed=seed)
    return replace(method, seed=seed) if isinstance(method, GPTQ) else method


def _noises(parts: Sequence[_Part], *states: Conditioned) -> np.ndarray:
    """Of all samples held out, what a state makes of them, or each part's own."""
    each = states * len(parts) if len(states) == 1 else states
    return np.concatenate([part.trial.noises_of(state) for part, state in zip(parts, each, strict=True)])


def _judged(
    states: Sequence[Conditioned],
    score: np.ndarray,
    plan: Plan,
    samples: Sequence[Samples],
    methods: Sequence[Method],
    parts: Sequence[_Part],
) -> tuple[Sequence[Conditioned], np.ndarray, list[Method]]:
    """What methods make of each part's state, without those that do not surely help; the noises; those that do."""
    kept = []
    for method in methods:
        after = [applied(state, plan, few, (method,)) for state, few in zip(states, samples, strict=True)]
        reached = _noises(parts, *after)
        if surely_less(reached, score) or np.array_equal(reached, score):
            states, score = after, reached
            kept.append(method)
        else:
            harms = reached.mean() >= score.mean()
            why = "it does not help" if harms else f"{len(score)} samples do not show that it helps"
            text = f"left out, as {why}: SQNR {_sqnr_text(score)} before, {_sqnr_text(reached)} with it"
            told = Note(method.name, states[0].graph.name, text)
            states = [replace(state, notes=(*state.notes, told)) for state in states]
    return states, score, kept


def _sqnr_text(noises: np.ndarray) -> str:
    return decibels_text(decibels(float(noises.mean())))
