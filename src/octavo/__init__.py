"""Octavo folds a Keras network into eight bits and shows what that cost."""
