"""Quantization-aware training from files: a model, its training data, and what to watch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from octavo.errors import ConfigError, NonFiniteError
from octavo.evaluate.tasks import CLASS_NUMBERS, MULTI_LABEL, ONE_HOT, REAL, YES_NO, kind_of_labels
from octavo.files import check_place, whole_file
from octavo.ir.graph import producers
from octavo.ir.notes import Note
from octavo.progress import Progress, batch_counter
from octavo.qat.layers.model import QuantizationAwareModel
from octavo.qat.make import quantize_model, strip
from octavo.stages import prepare

LOSSES = ("auto", "cross_entropy", "mean_squared_error")


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How to train.

    Attributes:
        scheme: To train for.
        epochs: Passes over the training part.
        batch: Samples a step.
        learning_rate: Of Adam; it falls to zero along a cosine.
        validation: Share of the data held out to choose the best epoch by.
        patience: Epochs without improvement before it stops.
        loss: One of `LOSSES`; "auto" takes what suits the labels, see `loss_for`.
        calibration: Samples the ranges start from.
        skip: Layers kept in float.
        checkpoint: File that always holds the best epoch so far; None for none.
        seed: Of the held-out part and of the batches.
    """

    scheme: str = "int8"
    epochs: int = 3
    batch: int = 128
    learning_rate: float = 1e-4
    validation: float = 0.1
    patience: int = 3
    loss: str = "auto"
    calibration: int = 500
    skip: Sequence[str] = ()
    checkpoint: Path | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FineTuned:
    """A trained model and the course of its training: each metric's values by epoch."""

    model: QuantizationAwareModel
    history: dict[str, list[float]]


def fine_tune(
    model: keras.Model, x: np.ndarray, y: np.ndarray, settings: FineTuning, progress: Progress | None = None
) -> FineTuned:
    """Train a float model for a scheme; the best epoch on held-out data wins.

    Args:
        model: Float, built; it is not touched. A quantization-aware one goes on where it stopped.
        x, y: Training data, prepared as for the model; x along the first axis.
        settings: How.
        progress: Told of every batch.

    Raises:
        ConfigError: for an unknown loss, a checkpoint of another ending, or data too small to hold a part out.
        NonFiniteError: if the loss becomes NaN.
        OutputError: if the checkpoint cannot be written.
    """
    check_checkpoint(settings.checkpoint)
    kept = held_out(len(x), settings)
    aware = model
    if not isinstance(model, QuantizationAwareModel):
        aware = quantize_model(model, settings.scheme, data=x[~kept][: settings.calibration], skip=settings.skip)
    start, history = fit(aware, x, y, kept, settings, progress)
    if not np.isfinite(history["loss"]).all():
        raise _without_loss(model, x, history["loss"], settings)
    aware.notes = (*aware.notes, *below_its_start(model.name, start, min(history["val_loss"])))
    return FineTuned(aware, {name: [float(value) for value in values] for name, values in history.items()})


def _without_loss(model: keras.Model, x: np.ndarray, losses: Sequence[float], settings: FineTuning) -> NonFiniteError:
    """The error for a loss that is no number: training diverged, or the float model has no result for a sample."""
    sample = None if isinstance(model, QuantizationAwareModel) else _without_result(model, x)
    got, expected = f"loss {losses[-1]} in epoch {len(losses)}", "a finite loss"
    if sample is None:
        fix = f"use a smaller learning rate, for example --learning-rate {settings.learning_rate / 10:g}"
        return NonFiniteError("the loss became NaN: training diverged.", got=got, expected=expected, fix=fix)
    return NonFiniteError(
        "the loss became NaN: the float model itself makes NaN or infinity of some samples.",
        got=f"{got}; sample {sample} is the first that it has no finite result for",
        expected=expected,
        fix=f"leave sample {sample} out, or bound what roots, logarithms and quotients are taken of",
    )


def _without_result(model: keras.Model, x: np.ndarray) -> int | None:
    """The first sample of which a model makes what is not finite."""
    finite = np.ones(len(x), bool)
    for result in keras.tree.flatten(model.predict(x, verbose=0)):
        finite &= np.isfinite(result).reshape(len(x), -1).all(axis=1)
    return None if finite.all() else int(finite.argmin())


def train_alike(
    model: keras.Model, x: np.ndarray, y: np.ndarray, settings: FineTuning, progress: Progress | None = None
) -> keras.Model:
    """A copy of a float model after the training that `fine_tune` gives a quantization-aware one.

    Further training alone may bring as much; whoever asks what training for quantization brings must know.
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    fit(copy, x, y, held_out(len(x), settings), replace(settings, checkpoint=None), progress, "train float alike")
    return copy


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    kept: np.ndarray,
    settings: FineTuning,
    progress: Progress | None,
    stage: str = "train",
) -> tuple[float, dict[str, list[float]]]:
    """Compile and fit; the best epoch on the samples kept out is restored.

    Returns:
        The loss on those samples before training, and each metric's values by epoch.
    """
    keras.utils.set_random_seed(settings.seed)
    batches = -(-int((~kept).sum()) // settings.batch)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * batches)
    model.compile(keras.optimizers.Adam(rate), loss_for(model, y, settings.loss), metrics=_metrics(model, y))
    start = model.evaluate(x[kept], y[kept], batch_size=settings.batch, verbose=0, return_dict=True)["loss"]
    history = model.fit(
        x[~kept],
        y[~kept],
        batch_size=settings.batch,
        epochs=settings.epochs,
        validation_data=(x[kept], y[kept]),
        callbacks=_callbacks(settings, batches, progress, stage),
        verbose=0,
    ).history
    return float(start), history


def below_its_start(model: str, start: float, reached: float) -> tuple[Note, ...]:
    """A note where the best epoch is worse than no training."""
    if reached <= start:
        return ()
    text = (
        f"training ended below its starting point: the loss on the samples held out was {start:.4g} before it and "
        f"{reached:.4g} at best after; use a smaller learning rate, or more data, or the model as it was"
    )
    return (Note("train", model, text),)


def check_checkpoint(path: Path | None) -> None:
    """Refuse a checkpoint that could not be written, or not be read again.

    Raises:
        ConfigError: for another ending than Keras's.
        OutputError: if its place takes no file.
    """
    if path is None:
        return
    if path.suffix != ".keras":
        raise ConfigError(
            "a checkpoint is a .keras file.",
            got=f"'{path}'",
            expected="a name that ends in .keras",
            fix=f"name it {path.stem}.keras",
        )
    check_place(path)


def held_out(count: int, settings: FineTuning) -> np.ndarray:
    """Which of `count` samples choose the best epoch and are not trained on; bool, shape (count,).

    Raises:
        ConfigError: if the share leaves no sample on either side.
    """
    size = round(count * settings.validation)
    if not 0 < size < count:
        raise ConfigError(
            "no samples would be left to train on or to validate with.",
            got=f"{count} samples, of which a share of {settings.validation:g} is held out",
            expected="at least one on either side",
            fix="give more samples, or a share like --validation 0.1",
        )
    chosen = np.zeros(count, bool)
    chosen[np.random.default_rng(settings.seed).permutation(count)[:size]] = True
    return chosen


def loss_for(model: keras.Model, y: np.ndarray, name: str) -> keras.losses.Loss:
    """The loss that suits a model's output and labels.

    Class numbers and one-hot rows take cross-entropy over classes, zeros and ones the binary one, real values the mean
    squared error; "auto" looks at labels and output, the other names say which kind is meant.

    Raises:
        ConfigError: for an unknown name, or cross-entropy of real values.
        DatasetError: if labels and output do not fit together.
    """
    if name not in LOSSES:
        raise ConfigError("unknown loss.", got=repr(name), expected=", ".join(LOSSES), fix="use --loss auto")
    if name == "mean_squared_error":
        return keras.losses.MeanSquaredError()
    kind = kind_of_labels(y, model.output_shape[1:], model.name)
    if kind == CLASS_NUMBERS:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=not _ends_in(model, "SOFTMAX"))
    if kind == ONE_HOT:
        return keras.losses.CategoricalCrossentropy(from_logits=not _ends_in(model, "SOFTMAX"))
    if kind in (YES_NO, MULTI_LABEL):
        return keras.losses.BinaryCrossentropy(from_logits=not _ends_in(model, "LOGISTIC"))
    if name == "cross_entropy":
        raise ConfigError(
            "cross-entropy needs classes, and the labels are real numbers.",
            got=f"labels of {y.dtype}, {y.min():.4g} to {y.max():.4g}",
            expected="class numbers, one-hot rows, or zeros and ones",
            fix="use --loss mean_squared_error, or --loss auto",
        )
    return keras.losses.MeanSquaredError()


def chosen_for(model: keras.Model, y: np.ndarray, name: str) -> str:
    """A sentence: what is trained by and watched, and what the labels were taken for."""
    loss = loss_for(model, y, name)
    kind = kind_of_labels(y, model.output_shape[1:], model.name)
    logits = ", of logits" if getattr(loss, "_fn_kwargs", {}).get("from_logits") else ""
    watched = "accuracy" if _metrics(model, y) else "the loss"
    return f"Loss: {loss.name}{logits}, because labels are {kind}; watched: {watched}."


def _ends_in(model: keras.Model, op: str) -> bool:
    graph = prepare(strip(model) if isinstance(model, QuantizationAwareModel) else model).graph
    made_by = producers(graph)
    return graph.outputs[0] in made_by and made_by[graph.outputs[0]].op == op


def _metrics(model: keras.Model, y: np.ndarray) -> list[str]:
    kind = kind_of_labels(y, model.output_shape[1:], model.name)
    return ["binary_accuracy"] if kind == MULTI_LABEL else [] if kind == REAL else ["accuracy"]


def _callbacks(settings: FineTuning, batches: int, progress: Progress | None, stage: str) -> list[Any]:
    callbacks: list[Any] = [
        _StopOnNaN(),
        keras.callbacks.EarlyStopping("val_loss", patience=settings.patience, restore_best_weights=True),
    ]
    if settings.checkpoint is not None:
        callbacks.append(_Checkpoint(settings.checkpoint))
    if progress is not None:
        callbacks.append(batch_counter(progress, stage, settings.epochs * batches))
    return callbacks


class _StopOnNaN(keras.callbacks.Callback):
    """Ends training at a loss that is not finite; Keras's own callback prints a line where results are printed."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss."""
        if not np.isfinite(logs["loss"]):
            self.model.stop_training = True


class _Checkpoint(keras.callbacks.Callback):
    """Keeps the best epoch in a file, whole or not at all; one that diverged is none, however well it validates."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.best = path, np.inf

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Replace the file if the epoch is better than all before."""
        if logs["val_loss"] < self.best and np.isfinite(logs["loss"]) and _is_finite(self.model):
            self.best = logs["val_loss"]
            with whole_file(self.path) as beside:
                self.model.save(beside)


def _is_finite(model: keras.Model) -> bool:
    return all(np.isfinite(keras.ops.convert_to_numpy(variable)).all() for variable in model.trainable_variables)
