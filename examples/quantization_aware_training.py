"""TensorFlow's "quantization aware training in Keras" example, on Keras 3 and any backend.

Up to the conversion, one import line differs from the original.
"""

import keras
import numpy as np

# Load MNIST and normalize the images to 0..1.
mnist = keras.datasets.mnist
(train_images, train_labels), (test_images, test_labels) = mnist.load_data()
train_images = train_images / 255.0
test_images = test_images / 255.0

# Define the model architecture and train it without quantization aware training.
model = keras.Sequential(
    [
        keras.layers.InputLayer(shape=(28, 28)),
        keras.layers.Reshape(target_shape=(28, 28, 1)),
        keras.layers.Conv2D(filters=12, kernel_size=(3, 3), activation="relu"),
        keras.layers.MaxPooling2D(pool_size=(2, 2)),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
)
model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
model.fit(train_images, train_labels, epochs=1, validation_split=0.1, verbose=2)

# Make it quantization aware. The original imports tensorflow_model_optimization here.
from octavo import tfmot  # noqa: E402

quantize_model = tfmot.quantization.keras.quantize_model
q_aware_model = quantize_model(model)
q_aware_model.compile(
    optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)
q_aware_model.summary()

# Fine-tune on a subset of the training data, and compare.
train_images_subset = train_images[0:1000]
train_labels_subset = train_labels[0:1000]
q_aware_model.fit(train_images_subset, train_labels_subset, batch_size=500, epochs=1, validation_split=0.1, verbose=2)
_, baseline_model_accuracy = model.evaluate(test_images, test_labels, verbose=0)
_, q_aware_model_accuracy = q_aware_model.evaluate(test_images, test_labels, verbose=0)
print("Baseline test accuracy:", baseline_model_accuracy)
print("Quant test accuracy:", q_aware_model_accuracy)

# The integer file of what was trained.
import octavo  # noqa: E402

quantized_tflite_model = octavo.quantize(q_aware_model).model


def evaluate_model(content: bytes) -> float:
    """Accuracy of a file on the test images, one at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (entry,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = entry["quantization"]
    correct = 0
    for image, label in zip(test_images, test_labels, strict=True):
        sample = image[np.newaxis].astype(np.float32)
        if scale:
            sample = np.clip(np.round(sample / scale) + zero_point, -128, 127).astype(np.int8)
        interpreter.set_tensor(entry["index"], sample)
        interpreter.invoke()
        correct += interpreter.get_tensor(result["index"])[0].argmax() == label
    return correct / len(test_labels)


print("Quant TFLite test accuracy:", evaluate_model(quantized_tflite_model))
print("Float model in bytes:", len(octavo.quantize(model, "float32").model))
print("Quantized model in bytes:", len(quantized_tflite_model))

# The original's own conversion still runs on TensorFlow; its file computes in float on 8-bit weights.
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(q_aware_model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    print("Converter's TFLite test accuracy:", evaluate_model(converter.convert()))
