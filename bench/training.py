"""The tutorial's table on real networks: float, quantization-aware training, post-training quantization; same budget.

All rows of a network start from the same weights and continue on the same batches for the same number of epochs;
post-training quantization quantizes the float row. Every accuracy is the written file's, in LiteRT.
"""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from bench.networks import WORKS, Work
from bench.process import in_process
from bench.speed import CORES

CALIBRATION = 500


def measure(network: str, seeds: int, backend: str) -> dict[str, dict[str, Any]]:
    """Accuracy of each row, mean over seeds, and how each trained model agrees with its file."""
    runs = []
    for seed in range(seeds):
        runs.append(in_process("training", "one_seed", network, seed, backend=backend))
        print(f"{network}, seed {seed}: " + ", ".join(f"{row} {run['accuracy']:.4f}" for row, run in runs[-1].items()))
    rows: dict[str, dict[str, Any]] = {}
    for row in runs[0]:
        rows[row] = {key: statistics.mean(run[row][key] for run in runs) for key in runs[0][row]}
        rows[row]["accuracies"] = " ".join(f"{run[row]['accuracy']:.4f}" for run in runs)
    return rows


def one_seed(network: str, seed: int) -> dict[str, dict[str, float]]:
    """All rows of one network and seed."""
    import keras

    import octavo
    from octavo import qat

    work = WORKS[network]
    data = work.data()
    x, _, x_test, y_test = data
    samples = x[:CALIBRATION]
    start = work.start(seed, data)

    original = keras.models.clone_model(start)
    original.set_weights(start.get_weights())
    fit(original, work, data, seed)
    rows = {"float": {"accuracy": octavo.quantize(original, "float32").evaluate(x_test, y_test, time_it=False).top1}}
    for scheme in work.schemes:
        after = octavo.quantize(original, scheme, samples)
        rows[f"PTQ {scheme}"] = {"accuracy": after.evaluate(x_test, y_test, time_it=False).top1}
    for scheme in work.schemes:
        model = qat.quantize_model(start, scheme, data=samples)
        before = octavo.quantize(model).evaluate(x_test, y_test, time_it=False).top1
        fit(model, work, data, seed)
        quantized = octavo.quantize(model)
        rows[f"QAT {scheme}"] = {
            "accuracy": quantized.evaluate(x_test, y_test, time_it=False).top1,
            "before_training": before,
            **agreement(model, quantized, x_test),
        }
    untrained = octavo.quantize(start, "int8", samples).evaluate(x_test, y_test, time_it=False)
    rows["PTQ int8 of the start"] = {"accuracy": untrained.top1}
    return rows


def fit(model: Any, work: Work, data: tuple[np.ndarray, ...], seed: int) -> None:
    """Train with Adam, the learning rate falling to zero along a cosine; the same batches for the same seed."""
    import keras

    x, y, _, _ = data
    steps = work.epochs * -(-len(x) // work.batch)
    rate = keras.optimizers.schedules.CosineDecay(work.learning_rate, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=work.from_logits)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    keras.utils.set_random_seed(seed)
    model.fit(x, y, batch_size=work.batch, epochs=work.epochs, verbose=0)


def agreement(model: Any, quantized: Any, x: np.ndarray) -> dict[str, float]:
    """Parity of a trained model with its file, and of LiteRT's reference with its default kernels on that file."""
    import octavo

    parity = octavo.parity(model, quantized, x)
    default, reference = (answers(quantized.model, x, kernels) for kernels in ("default", "reference"))
    return {
        "mismatches": parity.argmax_mismatches,
        "of": parity.samples,
        "within_one_step": parity.within_one_step,
        "largest_steps": parity.largest_steps,
        "litert_mismatches": int((default != reference).sum()),
    }


def answers(content: bytes, x: np.ndarray, kernels: str) -> np.ndarray:
    """The class a file answers for each sample, on one kind of LiteRT's kernels; a thread for each core."""
    from octavo.evaluate.predict import predictions
    from octavo.run.litert import LiteRT

    def part(samples: np.ndarray) -> np.ndarray:
        chunks = predictions(LiteRT(content, kernels=kernels), samples)
        return np.concatenate([next(iter(chunk.values())).argmax(axis=1) for chunk in chunks])

    with ThreadPoolExecutor(CORES) as pool:
        return np.concatenate(list(pool.map(part, np.array_split(x, CORES))))
