"""From a trained model to the graph, ranges and limits that its file is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from octavo.condition import Conditioned
from octavo.config import QuantizeConfig
from octavo.dtypes import DType
from octavo.errors import InputError, NonFiniteError
from octavo.ir.notes import Note
from octavo.ir.types import Quantization
from octavo.load.keras_graph import load_keras
from octavo.load.loaded import Loaded
from octavo.plan.make import make_plan
from octavo.plan.types import Member, Plan, tensor_name
from octavo.qat.layers.fake_quantize import FakeQuantize
from octavo.qat.layers.kernel_rounding import kernel_roundings
from octavo.qat.layers.model import QuantizationAwareModel
from octavo.qat.prepare import prepare_as_named
from octavo.qat.surgery.insert import remove_fake_quantization
from octavo.qat.surgery.origins import nudged_values
from octavo.qat.surgery.weights import limits_as_weights, rounded_weights
from octavo.quantization.assign import Range, assign
from octavo.quantization.parameters import activation_parameters, settle_parameters
from octavo.quantization.weights import largest_magnitude
from octavo.stages import Measured, Prepared

# Scales that float32 cannot tell apart by more than the rounding of a range's ends.
SAME_SCALE = 1e-5


@dataclass(frozen=True, slots=True)
class Trained:
    """What a trained model is deployed by.

    Attributes:
        prepared: Its float graph, weights rounded as in training.
        plan: Of that graph; the one it was trained by.
        config: What the plan is made by.
        ranges: Learned (low, high) of each observed tensor.
        limits: Learned magnitudes of weights by graph tensor, where they were learned.
        notes: What conditioning before training brought.
    """

    prepared: Prepared
    plan: Plan
    config: QuantizeConfig
    ranges: dict[str, Range]
    limits: dict[str, np.ndarray]
    notes: tuple[Note, ...] = ()

    @property
    def conditioned(self) -> Conditioned:
        """The graph to round, as training has conditioned it."""
        return Conditioned(self.prepared.graph, self.limits, notes=self.notes)

    @property
    def measured(self) -> Measured:
        """The ranges, as training has measured them."""
        return Measured(self.ranges, "training", self.ranges)


def trained(model: QuantizationAwareModel) -> Trained:
    """Read the graph, ranges and limits of a trained model.

    Raises:
        InputError: if a range was neither calibrated nor trained.
        NonFiniteError: if training diverged.
    """
    float_model, _ = remove_fake_quantization(model)
    _, prepared, plan = load_trained(model, float_model)
    ranges = learned_ranges(model)
    limits = {}
    spread = limits_as_weights(model)
    if spread:
        folded = prepare_as_named(load_keras(float_model, values=spread), model.paths).graph
        learned = {
            q.tensor for layer in model.quantized_layers for q in layer.weight_quantizers if q.observer == "learned"
        }
        for rule in plan.weights:
            data = folded.tensors[rule.tensor].data
            if rule.tensor in learned and data is not None:
                limits[rule.tensor] = largest_magnitude(data, rule.granularity)
    result = Trained(prepared, plan, model.quantization, ranges, limits, model.notes)
    round_as_kernels(model, result)
    return result


def load_trained(model: QuantizationAwareModel, float_model: keras.Model) -> tuple[Loaded, Prepared, Plan]:
    """The float graph of a model, its weights rounded as in training, and the plan that it is trained by.

    Where training leaves nothing but zeros or ones in a variable, as in an offset that another normalization takes
    away again, passes drop what the plan counts on; the variables are then nudged as they were when it was made.

    Args:
        model: The trained model.
        float_model: The same without fake quantization.
    """
    quantizers = [quantizer for quantizer in model.fake_quantizers if quantizer.fixed is None]
    known = {tensor_name(name) for quantizer in quantizers for name in quantizer.tensors}
    rounded = rounded_weights(model)
    for values in (rounded, {**nudged_values(float_model), **rounded}):
        loaded = load_keras(float_model, values=values)
        prepared = prepare_as_named(loaded, model.paths)
        plan = make_plan(prepared.graph, model.quantization)
        if known == {name for name in plan.observed if not prepared.graph.tensors[name].is_constant}:
            break
    return loaded, prepared, plan


def round_as_kernels(model: QuantizationAwareModel, trained: Trained) -> None:
    """Leave in a model how its file's kernels round, so that in inference it predicts what the file predicts."""
    settled = settle_parameters(trained.prepared.graph, trained.plan, trained.ranges, trained.limits).activations
    for quantizer in model.fake_quantizers:
        if quantizer.fixed is None and quantizer.tensors:
            dtype = DType(quantizer.integer)
            _take_over(quantizer, settled[Member(tensor_name(quantizer.tensors[0]), dtype)], dtype)
    integer = assign(trained.prepared.graph, trained.plan, trained.ranges, trained.limits)
    roundings = kernel_roundings(trained.prepared.graph, integer)
    for layer in model.kernel_roundings:
        layer.set_rounding(roundings[layer.tensor])


def _take_over(quantizer: FakeQuantize, parameters: Quantization, dtype: DType) -> None:
    """Give a layer the range of these parameters, where kernels need another scale than the one it has learned."""
    low, high = quantizer.real_range()
    smallest, largest = dtype.integer_range
    own = activation_parameters(low, high, dtype, quantizer.narrowest / (largest - smallest))
    if np.allclose(own.scale, parameters.scale, rtol=SAME_SCALE, atol=0.0):
        return
    scale, zero_point = float(parameters.scale[0]), int(parameters.zero_point[0])
    low = -largest * scale if dtype is DType.INT16 else (smallest - zero_point) * scale
    sites = len(quantizer.tensors)
    quantizer.set_range([low] * sites, [(largest - zero_point) * scale] * sites)


def learned_ranges(model: QuantizationAwareModel) -> dict[str, Range]:
    """Real (low, high) of each observed tensor of a model.

    Raises:
        InputError: if one was never observed: the model was neither trained nor calibrated.
        NonFiniteError: if one is NaN or infinite.
    """
    ranges: dict[str, Range] = {}
    for quantizer in model.fake_quantizers:
        if quantizer.fixed is not None:
            continue
        found = quantizer.real_ranges()
        if found is None:
            raise InputError(
                f"the range of '{quantizer.tensors[0]}' is not known yet.",
                got="a model that was neither calibrated nor trained",
                expected="a range for every activation",
                fix="call fit first, or start from a calibration: quantize_model(model, data=x_train[:500])",
            )
        ranges.update(zip(quantizer.tensors, found, strict=True))
    for name, (low, high) in ranges.items():
        if not np.isfinite([low, high]).all():
            raise NonFiniteError(
                f"the range of '{name}' is not finite: training diverged, or samples have no finite values there.",
                got=f"({low}, {high})",
                expected="finite values",
                fix="train again with a smaller learning rate, and stop on NaN with keras.callbacks.TerminateOnNaN(); "
                "quantize_model(model, data=x_train) names samples of which the float model itself makes NaN",
            )
    return ranges


def deployed_tensors(model: QuantizationAwareModel) -> dict[str, Any]:
    """The Keras tensors of a model, fake-quantized where they are, by the graph tensor that each stands for."""
    float_model, stands_for = remove_fake_quantization(model)
    names = load_trained(model, float_model)[0].names
    return {name: stands_for[key] for key, name in names.items() if key in stands_for}
