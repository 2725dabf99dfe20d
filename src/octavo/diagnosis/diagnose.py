"""Diagnose a quantized network: measure each layer, look for causes, try a mend for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from octavo.arguments import FUNCTION, YES_OR_NO, Kind, check_kinds
from octavo.comparison.paired import gain
from octavo.config import LayerConfig, QuantizeConfig, configured
from octavo.data.labelled import labelled_samples
from octavo.diagnosis.causes import Case
from octavo.diagnosis.follow import Followed, follow_up, is_plain, together
from octavo.diagnosis.found import LOSSY, Diagnosis, Finding
from octavo.diagnosis.layer_errors import layer_errors
from octavo.diagnosis.noise import mean_share
from octavo.diagnosis.places import places_of
from octavo.diagnosis.samples import Arrays, Extremes, Told, count_of, held, measure_extremes, one, rows
from octavo.diagnosis.subject import Examined, Subject, examine, subject_of
from octavo.diagnosis.trial import Judge, Outcome, Trial
from octavo.errors import DatasetError, InputError
from octavo.evaluate.predict import predict
from octavo.evaluate.tasks import labels_by_output
from octavo.evaluate.verify import verify
from octavo.ir.types import Graph
from octavo.numerics.estimators import Estimator
from octavo.pipeline import quantize_prepared
from octavo.plan.make import make_plan
from octavo.progress import Progress
from octavo.result import QuantizedModel
from octavo.run.signature import read_signature
from octavo.stages import Prepared, Source
from octavo.write.tflite import write_tflite

# Values of all activations that judging takes at most, and the bounds of samples it then takes.
JUDGED_VALUES, FEWEST_JUDGED, MOST_JUDGED = 60_000_000, 32, 400
# Inferences for each calibration sample that looking at single layers takes, and the bounds of samples looked at.
LOOKS, FEWEST_LOOKS, MOST_LOOKS = 2, 4, 32
# Values of all activations of all layers' looks that take little, whatever calibration does.
CHEAP_VALUES = 30_000_000
# A share of right answers that is lost and more matters, where chance does not explain it.
LOST_POINTS = 0.01
# Above this share of noise, and below what every file is told of, a cause counts whose mend regains nearly all; where
# there are labels, only if points are lost.
DOUBTFUL = LOSSY / 2
FILE = Kind(
    lambda value: isinstance(value, str | PathLike | bytes | bytearray | memoryview | QuantizedModel),
    "a .tflite file's path, its bytes, or a QuantizedModel",
    "'model.tflite'",
)


def diagnose(
    model: Any,
    data: Any,
    test: Any = None,
    *,
    file: Any = None,
    scheme: str | None = None,
    config: QuantizeConfig | None = None,
    skip: Sequence[str] = (),
    layers: Sequence[LayerConfig] = (),
    per_axis: bool = True,
    estimator: str | Estimator = "minmax",
    percentile: float = 99.99,
    effort: str = "default",
    metric: Any = None,
    samples: int | None = None,
    integer_divisor: float | None = None,
    seed: int = 0,
    apply: bool = False,
    allow: Sequence[str] = (),
    progress: Progress | None = None,
) -> Diagnosis:
    """Find which layers of a quantized network lose what, why, and what helps.

    The network is quantized as `octavo.quantize` would, or its `file` is taken, whoever made it. Every layer is
    measured; causes are looked for in the order of their effect; and what would mend each is made and measured.

    Args:
        model: The float model, as for `octavo.quantize`; or a trained one of `octavo.qat.quantize_model`.
        data: Representative dataset that calibration uses.
        test: What the file is judged by: (x, y), y None where there are no labels, or the path of an .npz file; None
            takes the representative dataset.
        file: A quantized .tflite file of the model, its path, bytes or `QuantizedModel`; None quantizes the model.
        scheme, config, skip, layers, per_axis, estimator, percentile, effort, samples, integer_divisor, seed, allow,
            progress: As for `octavo.quantize`.
        metric: As for `QuantizedModel.evaluate`.
        apply: Whether to make the file with the mends that help, proven, as `Diagnosis.mended`.

    Returns:
        The layers, the causes and the mends.

    Raises:
        ModelFileError, UnsupportedLayerError: if a model cannot be loaded.
        InputError: if the file is not one of the model.
        DatasetError, NonFiniteError: if the data does not serve.
        ConfigError: for an unknown option value.

    Example:
        diagnosis = octavo.diagnose(model, x_train[:500], (x_test, y_test), scheme="int8x4")
        print(diagnosis)
    """
    options = {
        "scheme": scheme, "skip": skip, "layers": layers, "per_axis": per_axis, "estimator": estimator,
        "percentile": percentile, "effort": effort, "seed": seed,
    }  # fmt: skip
    chosen = replace(configured(config, **options), input_type=None, output_type=None)
    kinds = {"file": FILE, "progress": FUNCTION, "apply": YES_OR_NO}
    check_kinds(kinds, {"file": file, "progress": progress, "apply": apply})
    tell = _told(progress)
    if data is None:
        raise DatasetError(
            "diagnosis needs a representative dataset.",
            got="data=None",
            expected="some hundred samples, prepared as in training",
            fix="pass data=x_train[:500]",
        )
    subject = subject_of(model, file, chosen, allow, data)
    prepared = subject.prepared
    graph = prepared.graph
    source = Source(data, samples, integer_divisor)
    inputs = [graph.tensors[name] for name in graph.inputs]
    calibration = held(data, inputs, source.divisor_for(prepared), samples)
    held_out = None if test is None else labelled_samples(test, inputs, source.divisor_for(prepared))
    begun = None
    if subject.model is None:
        begun = Trial.begun(prepared, subject.config, calibration, tell("calibrate"))
    x, y = (calibration, None) if held_out is None else (held_out.x, held_out.y)
    some = _chosen(graph, count_of(x))
    judge = _judge(graph, rows(x, some), _labels(graph, y, some), metric)
    examined = examine(subject, begun, judge)
    floats = examined.pair.floats
    trial = begun or Trial(subject.config, calibration, measure_extremes(floats, calibration, tell("calibrate")))
    met = trial.extremes.only(some) if held_out is None else measure_extremes(floats, judge.x, _untold)
    trial = replace(trial, looked_at=_most(graph) // 2)
    case = _case(examined, trial, judge, met, tell("look at layers"))
    return _concluded(case, examined.subject, apply, source, tell("try mends"))


def _chosen(graph: Graph, count: int) -> np.ndarray:
    """As many samples, by index, as are worth their time, evenly spread."""
    most = _most(graph)
    return np.arange(count) if count <= most else np.arange(most) * count // most


def _most(graph: Graph) -> int:
    """How many samples those are."""
    return min(MOST_JUDGED, max(FEWEST_JUDGED, JUDGED_VALUES // _values(graph)))


def _values(graph: Graph) -> int:
    """Of all activations of a sample."""
    return max(1, sum(graph.tensors[name].size for node in graph.nodes for name in node.outputs))


def _looked_at(shares: np.ndarray, looks: int) -> np.ndarray:
    """Samples to look at layers on, by index: half are those that lose most, half are spread evenly over the others.

    A trained network is so sure of most samples that rounding costs them nothing.
    """
    falling = np.argsort(-shares, kind="stable")
    worst, others = falling[: looks // 2], np.sort(falling[looks // 2 :])
    spread = others[np.arange(min(looks - len(worst), len(others))) * len(others) // max(1, looks - len(worst))]
    return np.sort(np.concatenate([worst, spread]))


def _labels(graph: Graph, y: Any, chosen: np.ndarray) -> Mapping[str, np.ndarray] | None:
    """Labels of some samples by output name."""
    return None if y is None else {name: each[chosen] for name, each in labels_by_output(y, graph.outputs).items()}


def _judge(graph: Graph, x: Arrays, y: Mapping[str, np.ndarray] | None, metric: Any) -> Judge:
    """By outputs that are told apart: one that a model gives twice counts once."""
    file = write_tflite(replace(graph, outputs=tuple(dict.fromkeys(graph.outputs))))
    ports = read_signature(file).outputs
    return Judge(x, predict(file, x), ports, None if y is None else {port.name: y[port.name] for port in ports}, metric)


def _case(examined: Examined, trial: Trial, judge: Judge, met: Extremes, told: Told) -> Case:
    floats = examined.pair.floats
    places = places_of(examined.pair)
    layers = {place.layer for place in places}
    alike = LOOKS * len(trial.extremes.low) // max(1, 2 * len(layers))
    cheap = CHEAP_VALUES // (_values(floats) * max(1, len(layers)))
    shares = examined.outcome.shares.reshape(count_of(judge.x), -1).mean(axis=1)
    looked_at = _looked_at(shares, min(MOST_LOOKS, max(FEWEST_LOOKS, alike, cheap)))
    some = judge.only(looked_at)

    def score(outputs: Mapping[str, np.ndarray]) -> float:
        return float(some.of(outputs).metric or 0.0)

    errors, seen = layer_errors(examined.pair, places, examined.model, some.x, None if judge.y is None else score, told)
    return Case(
        examined.pair,
        places,
        make_plan(floats, examined.subject.config),
        {error.layer: error for error in errors},
        seen,
        met,
        trial,
        examined.own,
        judge,
        examined.outcome,
        mean_share(shares[looked_at]),
        _parts(examined, judge),
    )


def _parts(examined: Examined, judge: Judge) -> dict[str, object]:
    """What runtimes make of a file that loses, and what training predicts."""
    parts: dict[str, object] = {}
    if _is_lossy(examined.outcome, judge) and (examined.own or examined.subject.same_names):
        sample = {examined.pair.inputs[name]: values for name, values in one(judge.x, 0, examined.pair.floats).items()}
        parts["verification"] = verify(examined.model, examined.pair.integers, [sample])
    if examined.subject.aware is not None:
        parts |= _against_training(examined, judge)
    return parts


def _against_training(examined: Examined, judge: Judge) -> dict[str, object]:
    """Where the file leaves what the trained model predicts; nothing for a file that was not made of it."""
    from octavo.qat.parity import parity

    x = [judge.x[name] for name in examined.pair.floats.inputs]
    try:
        found = parity(examined.subject.aware, examined.model, x if len(x) > 1 else x[0])
    except InputError:
        return {}
    tensor = examined.pair.integers.tensors.get(found.tensor)
    layer = found.tensor if tensor is None else tensor.layer or found.tensor
    return {"training_mismatch": found.argmax_mismatches / max(1, found.samples), "training_tensor": layer}


def _concluded(case: Case, subject: Subject, apply: bool, source: Source, told: Told) -> Diagnosis:
    """Follow suspicions up, and put together what was found."""
    baseline = _float_outcome(case.judge)
    helped: list[Followed] = []
    vain: list[Finding] = []
    lossy = _is_lossy(case.outcome, case.judge) or bool(case.parts.get("training_mismatch"))
    if lossy or _is_doubtful(case, baseline):
        helped, vain = follow_up(case, subject.prepared, told)
        if not lossy:  # what a healthy network loses is spread over its layers
            helped = [each for each in helped if is_plain(each[0])]
    trial, applied, remaining = together(case, subject.prepared, helped)
    return Diagnosis(
        name=case.pair.floats.name,
        scheme=subject.title,
        samples=count_of(case.judge.x),
        outcome=case.outcome,
        float_metric=baseline.metric,
        metric="" if baseline.marks is None else baseline.marks.metric.name,
        layers=tuple(case.errors.values()),
        findings=tuple(finding for finding, _ in helped),
        ruled_out=tuple(vain),
        unmatched=case.pair.unmatched,
        applied=applied,
        remaining=remaining,
        mended=_final(subject.prepared, trial, source) if apply else None,
        remarks=_remarks(case),
    )


def _float_outcome(judge: Judge) -> Outcome:
    return judge.of(judge.floats)


def _is_lossy(outcome: Outcome, judge: Judge) -> bool:
    """Whether a file loses what matters."""
    return outcome.loss >= LOSSY or _worse(outcome, _float_outcome(judge))


def _is_doubtful(case: Case, baseline: Outcome) -> bool:
    """Whether a file that was made here loses what may have a cause; other tools' ranges cut a little, and mean to."""
    if not case.own or case.outcome.loss < DOUBTFUL:
        return False
    marks, floats = case.outcome.marks, baseline.marks
    return marks is None or floats is None or gain(floats, marks).value > LOST_POINTS


def _worse(outcome: Outcome, baseline: Outcome) -> bool:
    """Whether the metric is worse than the float network's beyond chance; where it is a share, by more than a point."""
    if outcome.marks is None or baseline.marks is None:
        return False
    lost = gain(baseline.marks, outcome.marks)
    return lost.low > (LOST_POINTS if outcome.marks.metric.unit == "share" else 0.0)


def _final(prepared: Prepared, trial: Trial, source: Source) -> QuantizedModel:
    """The file of a trial, made and proven as `octavo.quantize` does."""
    config = replace(trial.config, verify="sample")
    return quantize_prepared(prepared, config, replace(source, data=dict(trial.data)), methods=trial.methods)


def _remarks(case: Case) -> tuple[str, ...]:
    """What was seen besides, and no loss."""
    dead = [(error.layer, error.dead) for error in case.errors.values() if error.dead > 0 and error.channels > 1]
    tight = [error.layer for error in case.errors.values() if (error.headroom_bits or 0.0) < 0]
    lines = []
    if dead:
        some = ", ".join(f"'{layer}' ({count})" for layer, count in dead[:4])
        lines.append(f"Channels that are always zero, and could go: {some}{' and more' if len(dead) > 4 else ''}.")
    if tight:
        lines.append(f"Sums that can leave 32 bits for some inputs: {', '.join(map(repr, tight[:4]))}.")
    if case.pair.unmatched:
        lines.append(f"Nothing in the file was found for: {', '.join(map(repr, case.pair.unmatched[:4]))}.")
    return tuple(lines)


def _untold(done: int, total: int) -> None:
    """For what takes little beside the rest."""


def _told(progress: Progress | None) -> Any:
    """Something to tell of each stage."""

    def of(stage: str) -> Told:
        return lambda done, total: None if progress is None else progress(stage, done, total)

    return of
