"""Rewrites that change numbers on purpose, between the plan and its execution: one file a method."""

from octavo.condition.absorb_biases import AbsorbBiases
from octavo.condition.analytic_bias_correction import AnalyticBiasCorrection
from octavo.condition.bias_correction import BiasCorrection
from octavo.condition.choose_ranges import ChooseRanges
from octavo.condition.distill import Distill
from octavo.condition.effort import improve
from octavo.condition.estimate_by import EstimateBy
from octavo.condition.gptq import GPTQ
from octavo.condition.method import Conditioned, Method
from octavo.condition.reconstruct import Reconstruct
from octavo.condition.reestimate_norms import ReestimateNorms
from octavo.condition.run import condition
from octavo.condition.samples import Samples
from octavo.condition.scale_channels import ScaleChannels

__all__ = [
    "GPTQ",
    "AbsorbBiases",
    "AnalyticBiasCorrection",
    "BiasCorrection",
    "ChooseRanges",
    "Conditioned",
    "Distill",
    "EstimateBy",
    "Method",
    "Reconstruct",
    "ReestimateNorms",
    "Samples",
    "ScaleChannels",
    "condition",
    "improve",
]
