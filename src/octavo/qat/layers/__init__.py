"""The Keras layers and the model that quantization-aware training is made of."""
