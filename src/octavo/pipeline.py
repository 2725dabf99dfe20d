"""The product as one sentence, `quantize_prepared`: plan -> condition -> calibrate -> quantize -> write -> verify.

What comes before, load -> passes, is `octavo.stages.prepare`, which training shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from octavo.arguments import NAMES, YES_OR_NO, check_kinds
from octavo.calibration import gatherer
from octavo.calibration.statistics import Statistics
from octavo.condition import Conditioned, Method
from octavo.config import LayerConfig, QuantizeConfig, configured
from octavo.dataless import with_samples
from octavo.errors import ConfigError, InputError
from octavo.evaluate.evidence import samples_wanted
from octavo.evaluate.fidelity import fidelity
from octavo.evaluate.proof import random_samples, verified_samples
from octavo.evaluate.verify import SAMPLE_INPUTS
from octavo.fitting import Condition, Draft, Fitted, Values, fitted, spread
from octavo.ir.types import Graph
from octavo.load.input_shape import InputShape
from octavo.mending import check_mendable, mended
from octavo.mixing import mixed
from octavo.numerics.estimators import Estimator
from octavo.plan.make import make_plan
from octavo.plan.remarks import remarks, what_helps
from octavo.plan.types import Plan, tensor_name
from octavo.progress import Progress
from octavo.quantization.coarse import CoarseOperand, coarse_operands
from octavo.quantization.parameters import settle_parameters
from octavo.result import QuantizedModel
from octavo.run.worker import warm_up
from octavo.stages import Clock, Measured, Prepared, Source, conditioned_by, doubts, gather, measure, prepare
from octavo.trained import (
    as_trained,
    check_left_to_training,
    check_no_leave,
    is_quantization_aware,
    opened,
    what_training_decided,
)

if TYPE_CHECKING:
    from octavo.qat.deploy import Trained


def quantize(
    model: Any,
    scheme: str | None = None,
    data: Any = None,
    *,
    config: QuantizeConfig | None = None,
    skip: Sequence[str] = (),
    layers: Sequence[LayerConfig] = (),
    per_axis: bool = True,
    input_type: str | None = None,
    output_type: str | None = None,
    estimator: str | Estimator = "minmax",
    percentile: float = 99.99,
    effort: str = "default",
    mix: bool = True,
    methods: Sequence[Method] = (),
    samples: int | None = None,
    integer_divisor: float | None = None,
    seed: int = 0,
    verify: Literal["sample", "full", "off"] = "sample",
    mend: bool = False,
    allow: Sequence[str] = (),
    signature: str | None = None,
    input_shape: InputShape | None = None,
    progress: Progress | None = None,
) -> QuantizedModel:
    """Quantize a float model, write it, and prove what was written.

    Args:
        model: keras.Model, path of a .keras, .h5 or float .tflite file, or a SavedModel folder; a concrete function or
            tf.Module of TensorFlow. A model of `octavo.qat.quantize_model`, or its file, is written by the plan and
            ranges it was trained with.
        scheme: "int8", "int16x8", "dynamic", "float16" or "float32"; None takes int8, or the trained one.
        data: Representative dataset, prepared as in training: an array, .npz, folder of images, generator function,
            tf.data, PyDataset or DataLoader; or what `calibrate` measured. The integer schemes need it; where it is not
            given they make some of what batch normalizations remember (`octavo.synthesize`). To the others it only
            serves verification.
        config: All of the options in one object, instead of `scheme` and those that it has a field for.
        skip: Layer names or shell patterns kept in float; a single one may stand alone.
        layers: What is different for some layers: the type of their weights, or its granularity.
        per_axis: One weight scale per output channel (True), or one per tensor.
        input_type, output_type: "int8", "uint8", "int16" or "float32"; None takes the scheme's own.
        estimator: How a range is made of statistics: "minmax", "percentile", "mse" (least squared error), "kl"
            (divergence), "auto" (each cut to where what reads it comes closest to float, or "mse" where that does
            better; from effort "good" on "minmax" is that), or an object of one's own, see
            `octavo.numerics.estimators.Estimator`.
        percentile: Share of values, in percent, that the "percentile" estimator keeps.
        effort: What is done with `data` to lose less than rounding to nearest does: "fast" nothing, "default" corrects
            biases and gives int16 to the few operators without which int8 answers poorly, "good" rounds weights by
            their layers' outputs and cuts ranges, "best" trains scales and biases.
            Every step is kept where it helps on samples held out, and the notes tell; what can be read only once is
            quantized as "fast".
        mix: Whether operators may be int16 where int8 throughout answers poorly; False keeps int8.
        methods: Instead of `effort`, what changes weights and biases before they are rounded, in order, such as
            `octavo.condition.BiasCorrection()`; they need `data`, and read it several times.
        samples: Use at most this many samples of `data`.
        integer_divisor: What integer samples are divided by for a float input: 255 if training saw 0..1.
        seed: Of every random choice.
        verify: "sample" runs a few inputs through every runtime, "full" all of them, "off" none.
        mend: Whether operands that a scale shared with larger ones leaves few steps get one of their own, by what the
            notes on them name and what measures best; each way tried takes as long as the first.
        allow: Names of Lambda layers of a Keras file whose function may run once, on symbols.
        signature: Name of the signature to read, of a SavedModel or .tflite file that has several.
        input_shape: What the model leaves open of its inputs, where it is not what the samples have:
            `(height, width, channels)`, a list of such for several inputs, or a dict by name. With a batch in front,
            `(4, height, width, channels)`, the file takes that many samples at once; data stays as it is, or comes as
            whole batches.
        progress: Told of long work.

    Returns:
        The written model, its verification and all remarks.

    Raises:
        ModelFileError, UnsupportedLayerError: if the model cannot be loaded.
        DatasetError, NonFiniteError: if the data does not serve.
        ConfigError: for an unknown option value, one that a trained model has decided already, or an input shape that
            does not fit.
        VerificationError: if the written file does not compute what it should.
    """
    options = {
        "scheme": scheme,
        "per_axis": per_axis,
        "input_type": input_type,
        "output_type": output_type,
        "skip": skip,
        "layers": layers,
        "estimator": estimator,
        "percentile": percentile,
        "effort": effort,
        "mix": mix,
        "seed": seed,
        "verify": verify,
    }
    check_kinds({"mend": YES_OR_NO, "allow": NAMES}, {"mend": mend, "allow": allow})
    check_no_leave(model, allow)
    clock = Clock()
    with clock("load"):
        model = opened(model, allow)
        trained = what_training_decided(model)
    if trained is not None:
        check_left_to_training(configured(config, **{**options, "scheme": None}), methods, input_shape)
        chosen = as_trained(configured(config, **options), scheme if config is None else config.scheme, trained)
    else:
        chosen = configured(config, **options)
    warm_up(1, gatherer.__name__)
    with clock("load"):
        prepared = prepare(model, allow, signature, input_shape, data) if trained is None else trained.prepared
    source = Source(data, samples, integer_divisor, progress)
    if trained is None and data is None:
        with clock("synthesize"):
            source, made_up = with_samples(source, prepared, model, chosen, allow)
        prepared = replace(prepared, notes=(*prepared.notes, *made_up))
    if mend:
        check_mendable(source, trained is not None)
    made = quantize_prepared(prepared, chosen, source, methods=methods, trained=trained, clock=clock)
    if not made.coarse or not mend:
        return made
    _, measured_on = source.peek(prepared, SAMPLE_INPUTS)
    return mended(
        made, chosen, prepared.graph, measured_on, partial(quantize_prepared, prepared, source=source, methods=methods)
    )


def calibrate(
    model: Any,
    data: Any,
    scheme: str | None = None,
    *,
    config: QuantizeConfig | None = None,
    skip: Sequence[str] = (),
    layers: Sequence[LayerConfig] = (),
    estimator: str | Estimator = "minmax",
    samples: int | None = None,
    integer_divisor: float | None = None,
    allow: Sequence[str] = (),
    signature: str | None = None,
    input_shape: InputShape | None = None,
    progress: Progress | None = None,
) -> Statistics:
    """Measure what the activations of a model are, to quantize by it now or later.

    Statistics do not depend on the order of samples. Those of several parts of the data, measured on one machine or
    several, merge into those of all of it:

        part = octavo.calibrate(model, x[:500])
        part.save("statistics.npz")
        both = octavo.Statistics.load("statistics.npz").merge(octavo.calibrate(model, x[500:]))
        q = octavo.quantize(model, data=both)

    Args:
        model, data, config, skip, layers, samples, integer_divisor, allow, signature, input_shape, progress: As for
            `quantize`,
            which must be given the same scheme, `skip` and `layers` then.
        scheme: One with integer activations; None takes int8.
        estimator: That of `quantize`; "percentile" and "mse" need values counted by bin.

    Raises:
        ModelFileError, UnsupportedLayerError, DatasetError, NonFiniteError, ConfigError: as `quantize`.
    """
    config = configured(config, scheme=scheme, skip=skip, layers=layers, estimator=estimator)
    model = opened(model, allow)
    if is_quantization_aware(model):
        raise InputError(
            f"the activations of model '{model.name}' were measured while it was trained.",
            got="a model made by octavo.qat.quantize_model",
            expected="a float model",
            fix="quantize it as it is, octavo.quantize(model); or measure its float model, octavo.qat.strip(model)",
        )
    prepared = prepare(model, allow, signature, input_shape, data)
    plan = make_plan(prepared.graph, config)
    if not plan.scheme.needs_data:
        raise ConfigError(
            f"scheme '{config.scheme}' has no activation ranges to measure.",
            got=repr(config.scheme),
            expected="a scheme with integer activations",
            fix="use scheme='int8', or quantize without calibration",
        )
    return gather(prepared, plan, config, Source(data, samples, integer_divisor, progress))


def quantize_prepared(
    prepared: Prepared,
    config: QuantizeConfig,
    source: Source,
    *,
    methods: Sequence[Method] = (),
    trained: Trained | None = None,
    clock: Clock | None = None,
) -> QuantizedModel:
    """From a float graph to a proven file: plan, condition, calibrate, quantize, write, verify.

    Args:
        prepared: The float graph, which the file is compared with.
        config: What the plan is made by.
        source: Samples, for what needs some.
        methods: Of conditioning, instead of the configuration's effort.
        trained: What training has decided already: plan, constants and ranges.
        clock: Gathers times.

    Raises:
        DatasetError, NonFiniteError, ConfigError, VerificationError: as `quantize`.
    """
    clock = clock or Clock()
    with clock("plan"):
        plan = make_plan(prepared.graph, config) if trained is None else trained.plan

    def condition(prepared: Prepared, plan: Plan) -> Conditioned:
        return trained.conditioned if trained else conditioned_by(methods, prepared, plan, source, config)

    with clock("condition"):
        conditioned = condition(prepared, plan)
    config = replace(config, estimator=conditioned.estimator or config.estimator)
    wanted = verified_samples(config)
    source, seen = source.peek(prepared, None if wanted is None else max(wanted, samples_wanted(prepared.graph)))
    with clock("calibrate"):
        measured = measure(prepared, plan, conditioned.graph, config, source) if trained is None else trained.measured
    known = {tensor_name(name): each for name, each in measured.ranges.items()}
    samples = seen[:wanted] or random_samples(prepared.graph, config.seed, known)
    draft = Draft(config, plan, measured)
    if trained is None:
        draft, prepared, conditioned = spread(draft, prepared, conditioned, condition, source, clock)
    made = fitted(draft, prepared, conditioned, condition, source, samples, clock)
    if trained is None and config.mix:
        made = _well_answering(made, prepared, condition, source, seen, samples, clock)
    draft, verification = made.draft, made.verification
    with clock("verify"):
        compared = partial(fidelity, helps=what_helps(draft.plan, draft.config), random=not seen)
        lost = None if verification is None else compared(made.model, prepared.graph, samples, prepared.compute)
        doubtful = doubts(prepared, seen)
    coarse = _coarse(made.conditioned.graph, draft.plan, draft.measured)
    notes = (
        *prepared.notes,
        *doubtful,
        *made.conditioned.notes,
        *draft.measured.notes,
        *remarks(prepared.graph, draft.plan, draft.config),
        *draft.notes,
        *(each.note for each in coarse),
        *(lost.notes if lost else ()),
    )
    return QuantizedModel(
        scheme=plan.scheme,
        graph=made.graph,
        model=made.model,
        verification=verification,
        fidelity=lost,
        islands=draft.plan.islands,
        # An unrolled layer is remarked on once, not at each step.
        notes=tuple(dict.fromkeys(notes)),
        ranges=dict(draft.measured.ranges),
        coarse=coarse,
        integer_divisor=source.divisor_for(prepared),
        seconds=clock.seconds,
    )


def _well_answering(
    made: Fitted,
    prepared: Prepared,
    condition: Condition,
    source: Source,
    seen: Sequence[Values],
    samples: Sequence[Values],
    clock: Clock,
) -> Fitted:
    """What was made, or where its answers are poor, the same with int16 inside, if there is one that is better."""
    with clock("mix"):
        unwanted = source.not_again or made.draft.config.effort == "fast"
        draft = None if unwanted else mixed(made, prepared.graph, seen)
    if draft is None:
        return made
    with clock("condition"):
        conditioned = condition(prepared, draft.plan)
    with clock("calibrate"):
        draft = replace(draft, measured=measure(prepared, draft.plan, conditioned.graph, draft.config, source))
    return fitted(draft, prepared, conditioned, condition, source, samples, clock)


def _coarse(graph: Graph, plan: Plan, measured: Measured) -> tuple[CoarseOperand, ...]:
    parameters = settle_parameters(graph, plan, measured.ranges).activations if plan.scheme.needs_data else {}
    return coarse_operands(graph, plan, parameters, measured.extremes)
