"""Proof that a model computes the same everywhere: in the runtimes, and as C on this machine and on emulated cores."""
