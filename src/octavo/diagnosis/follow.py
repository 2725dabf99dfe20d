"""Suspicions followed up: the mend of each is made and measured, alone and on top of the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from octavo.comparison.paired import gain
from octavo.diagnosis.causes import CAUSES, Case, Cause, Mend, Suspicion, coarse_layer, little_effort, many_layers
from octavo.diagnosis.causes.cause import methods_code
from octavo.diagnosis.found import LOSSY, Finding, TriedMend
from octavo.diagnosis.pair import own_pair
from octavo.diagnosis.samples import Told, rows
from octavo.diagnosis.trial import Judge, Outcome, Trial, layer_text
from octavo.errors import OctavoError
from octavo.stages import Prepared

# Suspicions followed up, and those of one cause.
MOST_TRIED, MOST_OF_A_CAUSE = 10, 3
# A mend that regains less of the noise explains nothing; of several that regain about as much the earlier cause counts.
REGAINED, ABOUT = 0.15, 0.85
# A mend that regains this needs no further ones to be tried beside it.
ENOUGH = 0.8

# Causes of which nothing more is known than where they are: where something is, they add nothing.
NOTHING_SPECIAL = (coarse_layer.CAUSE.name, little_effort.CAUSE.name, many_layers.CAUSE.name)
# Their mends change the whole network, and are for what nothing more special explains.
OF_ALL = (little_effort.CAUSE, many_layers.CAUSE)

Followed = tuple[Finding, Mend]


def follow_up(case: Case, prepared: Prepared, told: Told) -> tuple[list[Followed], list[Finding]]:
    """Try the mends of the suspicions that matter most.

    Returns:
        The findings whose mend helps, the most helpful first, each with the best of its mends; and the others.
    """
    suspected = [(cause, each) for cause in CAUSES for each in cause.look(case)]
    suspected.sort(key=lambda pair: (-pair[1].effect, CAUSES.index(pair[0])))
    with_mend: dict[tuple[str, ...], list[str]] = {}
    for cause, suspicion in suspected:
        with_mend.setdefault(_key(cause, suspicion), []).append(suspicion.layer)
    chosen: list[tuple[Cause, Suspicion, tuple[str, ...]]] = []
    for cause, suspicion in suspected:
        alike = with_mend.pop(_key(cause, suspicion), None)
        if alike and sum(each is cause for each, _, _ in chosen) < MOST_OF_A_CAUSE:
            chosen.append((cause, suspicion, tuple({layer: None for layer in alike if layer != suspicion.layer})))
    known: dict[str, TriedMend] = {}
    results: list[Followed] = []
    for number, (cause, suspicion, others) in enumerate(chosen[:MOST_TRIED]):
        if cause in OF_ALL and any(finding.mend.regained >= ENOUGH for finding, _ in results):
            continue
        finding, mend = _followed(case, prepared, cause, suspicion, known)
        results.append((replace(finding, also=others), mend))
        told(number + 1, min(len(chosen), MOST_TRIED))
    helped = [each for each in results if each[0].mend.regained >= REGAINED or proven(each[0].mend)]
    helped.sort(key=order_of(helped))
    special = {finding.layer for finding, _ in helped if finding.cause not in NOTHING_SPECIAL}
    helped = [each for each in helped if each[0].cause not in NOTHING_SPECIAL or each[0].layer not in special]
    kept = {id(finding) for finding, _ in helped}
    return _merged(helped), [finding for finding, _ in results if id(finding) not in kept]


def _merged(helped: Sequence[Followed]) -> list[Followed]:
    """Findings of one cause that one mend helps, as one."""
    found: dict[tuple[str, str], Followed] = {}
    for finding, mend in helped:
        key = (finding.cause, mend.code)
        first = found.setdefault(key, (finding, mend))[0]
        layers = dict.fromkeys((*first.also, finding.layer, *finding.also))
        found[key] = replace(first, also=tuple(layer for layer in layers if layer != first.layer)), mend
    return list(found.values())


def _key(cause: Cause, suspicion: Suspicion) -> tuple[str, ...]:
    """What suspicions of one cause and the same mends have in common."""
    return (cause.name, *(mend.code for mend in suspicion.mends))


def _followed(
    case: Case, prepared: Prepared, cause: Cause, suspicion: Suspicion, known: dict[str, TriedMend]
) -> tuple[Finding, Mend]:
    """Try the mends of a suspicion, until one regains most of what can be."""
    results: list[tuple[TriedMend, Mend]] = []
    for mend in suspicion.mends:
        if mend.code not in known:
            known[mend.code] = _try(case, prepared, case.trial, mend)
        results.append((known[mend.code], mend))
        if _is_enough(known[mend.code]):
            break
    best, mend = max(results, key=lambda each: each[0].regained)
    finding = Finding(
        cause.name, cause.title, suspicion.layer, suspicion.evidence, suspicion.figures, suspicion.effect, best,
        suspicion.samples,
    )  # fmt: skip
    return finding, mend


def _is_enough(tried: TriedMend) -> bool:
    """Whether no further mend need be tried: of noise far beyond the signal, what is left may still be most of it."""
    return tried.regained >= ENOUGH and tried.after <= max(LOSSY, (1 - ENOUGH) * tried.before)


def _try(case: Case, prepared: Prepared, trial: Trial, mend: Mend) -> TriedMend:
    """Make and measure what a mend makes."""
    judge, before = case.judge, case.outcome
    if mend.tested_on is not None:
        judge = judge.only(mend.tested_on)
        before = judge.of(rows(before.outputs, mend.tested_on))
    try:
        outcome, size = _measured(mend.change(trial), prepared, judge)
    except OctavoError as error:
        return TriedMend(mend.text, mend.code, before.loss, before.loss, failure=error.what)
    better = None
    if outcome.marks is not None and before.marks is not None:
        better = gain(outcome.marks, before.marks)
    regained = 1.0 - outcome.noise / before.noise if before.noise else 0.0
    return TriedMend(mend.text, mend.code, before.loss, outcome.loss, regained, better, size)


def _measured(trial: Trial, prepared: Prepared, judge: Judge) -> tuple[Outcome, int]:
    graph, model = trial.made(prepared)
    pair = own_pair(prepared.graph, graph)
    return judge.of_file(model, pair.inputs, pair.outputs), len(model)


def is_plain(finding: Finding) -> bool:
    """Whether something special is found, whose mend regains most of what is lost."""
    return finding.cause not in NOTHING_SPECIAL and finding.mend.regained >= ENOUGH


def proven(mend: TriedMend) -> bool:
    """Whether the metric is better with a mend beyond chance."""
    return mend.gain is not None and mend.gain.proven and mend.regained > 0


def order_of(helped: Sequence[Followed]) -> Callable[[Followed], tuple[int, float, float]]:
    """The most helpful first; of those that help about as much, the cause that explains the others."""
    best = max((finding.mend.regained for finding, _ in helped), default=0.0)
    names = [cause.name for cause in CAUSES]

    def key(each: Followed) -> tuple[int, float, float]:
        finding = each[0]
        if finding.mend.regained >= ABOUT * best:
            return 0, names.index(finding.cause), -finding.effect
        return 1, -finding.mend.regained, names.index(finding.cause)

    return key


def together(case: Case, prepared: Prepared, helped: Sequence[Followed]) -> tuple[Trial, tuple[str, ...], float | None]:
    """The mends that help on top of each other, what they leave, and the trial with them."""
    trial, applied = case.trial, []
    best = case.outcome if case.own else None
    for _, mend in helped:
        try:
            changed = mend.change(trial)
            outcome, _ = _measured(changed, prepared, case.judge)
        except OctavoError:
            continue
        if best is None or outcome.noise < (1 - REGAINED) * best.noise:
            trial, best = changed, outcome
            applied.append(mend.code)
        if best.loss < LOSSY / 2:
            break
    return trial, _codes(applied, trial), best.loss if applied and best is not None else None


def _codes(applied: Sequence[str], trial: Trial) -> tuple[str, ...]:
    """What was applied as one call is written: layers and methods, which several mends change, each once."""
    codes = [code for code in applied if not code.startswith(("layers=", "methods="))]
    if len(codes) < len(applied) and trial.config.layers:
        codes.append(f"layers=[{layer_text(trial.config.layers)}]")
    if trial.methods:
        codes.append(methods_code(trial.methods))
    return tuple(codes)
