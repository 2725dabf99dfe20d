"""Rewrites that change numbers on purpose, between the plan and its execution: one file a method."""

from octavo.condition.bias_correction import BiasCorrection
from octavo.condition.effort import improve
from octavo.condition.gptq import GPTQ
from octavo.condition.method import Conditioned, Method
from octavo.condition.run import condition
from octavo.condition.samples import Samples

__all__ = ["GPTQ", "BiasCorrection", "Conditioned", "Method", "Samples", "condition", "improve"]
