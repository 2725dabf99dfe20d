"""Arithmetic on arrays: affine quantization and the fixed point of the reference kernels."""
