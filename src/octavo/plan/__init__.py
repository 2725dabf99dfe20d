"""The plan: which tensors become integers, which share parameters, which are fixed, which stay float.

Post-training quantization and quantization-aware training both execute this plan; neither decides anything of its own.
"""
