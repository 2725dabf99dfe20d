"""Fake quantization: a plan executed inside a Keras model, so that training feels what deployment will round."""
