"""The names of tensorflow_model_optimization's Keras quantization, over `octavo.qat`.

    from octavo import tfmot
    q_aware_model = tfmot.quantization.keras.quantize_model(model)

What differs from the original, and why, stands in docs/migrating-from-tfmot.md.
"""

from octavo.tfmot import quantization

__all__ = ["quantization"]
