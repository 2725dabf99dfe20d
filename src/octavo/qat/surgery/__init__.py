"""Opens a Keras model, finds where its graph is rounded, and puts fake quantization there."""
