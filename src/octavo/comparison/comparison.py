"""Every scheme side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from html import escape
from typing import Any

from octavo.arguments import FUNCTION, MAPPING, NAMES, YES_OR_NO, check_kinds
from octavo.board.boards import Board, board_named, board_of
from octavo.comparison.doubts import Doubt, doubts
from octavo.comparison.ready import read_ready
from octavo.comparison.recommendation import Recommendation, Wishes, recommend
from octavo.comparison.rows import FLOAT, MORE, PTQ, QAT, READY, Failure, Row, row_name
from octavo.condition import Method
from octavo.config import SCHEMES, LayerConfig, QuantizeConfig, configured, scheme_named
from octavo.data.labelled import Labelled, labelled_samples
from octavo.data.sources import is_spent
from octavo.errors import ConfigError, DatasetError, ModelFileError, RuntimeEndedError, VerificationError
from octavo.evaluate.evidence import samples_wanted
from octavo.evaluate.other_scales import other_scale_notes
from octavo.evaluate.predict import Samples
from octavo.load.input_shape import InputShape
from octavo.notebook import data_frame
from octavo.pipeline import quantize, quantize_prepared
from octavo.plan.make import check_skip
from octavo.progress import Progress
from octavo.report.notebook import as_html
from octavo.report.tables import TextTable, as_markdown, comparison_tables
from octavo.result import QuantizedModel
from octavo.stages import Prepared, Source, prepare
from octavo.trained import is_quantization_aware, opened


class Same:
    """Stands for what was said before."""


SAME = Same()
USUAL_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, in the order they were made; the first is float32 if it was among the schemes.

    Attributes:
        rows: At least one.
        failures: Rows that could not be made, likewise.
        wishes: Budgets and what matters, unless `best` is told otherwise.
        note: What a user should know of the test set.
        of_test: What gives reason to doubt it, whatever the row.
    """

    rows: tuple[Row, ...]
    failures: tuple[Failure, ...] = ()
    wishes: Wishes = USUAL_WISHES
    note: str = ""
    of_test: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[TextTable, ...]:
        """What each scheme costs, what proves each file, stays in float, could not be made, and is to be doubted."""
        costs, *others = comparison_tables(
            ((row.name, row.evaluation, row.quantized) for row in self.rows),
            ((failure.name, failure.error.what) for failure in self.failures),
            ((doubt.name, doubt.text) for doubt in self.doubts),
        )
        return (replace(costs, note="; ".join(filter(None, (self.note, costs.note)))), *others)

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What gives reason to doubt the data, and rows that collapse; see `octavo.comparison.doubts`."""
        return doubts(self.rows, self.of_test)

    def best(
        self,
        flash: str | int | Same | None = SAME,
        ram: str | int | Same | None = SAME,
        matters: str | Sequence[str] | Same | None = SAME,
        board: str | Same | None = SAME,
    ) -> Recommendation:
        """Which technique to use on a board, or in LiteRT.

        See `octavo.comparison.recommendation.recommend` for how it is chosen.

        Args:
            flash: Bytes, or a number with KB or MB, for the model file; None for any size.
            ram: Likewise, for the arena; None for LiteRT on a desktop or phone, where Micro need not run the file.
            matters: "accuracy", "flash", "ram" or "latency" (of LiteRT here), or several by falling weight.
                What is not given is as the comparison was told.
            board: A name that `octavo fit --boards` lists: the whole program must fit it, as C or in Micro; `flash` and
                `ram`, where given, stand in for its own. None for budgets alone.

        Raises:
            ConfigError: for an unknown board, a size that cannot be read, something else that matters, or latency not
                measured.
        """
        wishes = Wishes(
            self.wishes.flash if isinstance(flash, Same) else flash,
            self.wishes.ram if isinstance(ram, Same) else ram,
            self.wishes.matters if isinstance(matters, Same) else matters,
            self.wishes.board if isinstance(board, Same) else _board(board, flash, ram),
        )
        found = recommend(self.rows, wishes)
        doubtful = next((doubt.text for doubt in self.doubts if doubt.of_data), None)
        if doubtful is None or found.row is None:
            return found
        return replace(found, reason=f"{found.reason} But doubt the data: {doubtful}")

    def __str__(self) -> str:
        lines = (line for table in self.tables for line in (*as_markdown(table), ""))
        return "\n".join((*lines, self.best().reason))

    def _repr_html_(self) -> str:
        """For notebooks."""
        return "".join(as_html(table) for table in self.tables) + f"<p>{escape(self.best().reason)}</p>"

    def to_pandas(self) -> Any:
        """The table of costs as a pandas.DataFrame of numbers, one row a scheme.

        Raises:
            MissingDependencyError: without pandas.
        """
        return data_frame([{"scheme": row.name, **row.evaluation.numbers()} for row in self.rows])

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        best = self.best()
        return {
            "rows": [row.to_dict() for row in self.rows],
            "doubts": [asdict(doubt) for doubt in self.doubts],
            "failures": [{"name": failure.name, "what": failure.error.what} for failure in self.failures],
            "recommended": best.row.name if best.row else None,
            "reason": best.reason,
            "gain": asdict(best.gain) if best.gain else None,
        }


def compare(
    model: Any,
    data: Any = None,
    test: Any = None,
    *,
    metric: Any = None,
    schemes: Sequence[str] = tuple(SCHEMES),
    config: QuantizeConfig | None = None,
    skip: Sequence[str] = (),
    layers: Sequence[LayerConfig] = (),
    effort: str = "default",
    methods: Sequence[Method] = (),
    samples: int | None = None,
    integer_divisor: float | None = None,
    seed: int = 0,
    train: Callable[[Any], object] | None = None,
    train_schemes: Sequence[str] = ("int8",),
    train_float: bool = True,
    also: Mapping[str, Any] | None = None,
    flash: str | int | None = "1MB",
    ram: str | int | None = "256KB",
    matters: str | Sequence[str] | None = None,
    board: str | None = None,
    time_it: bool = True,
    allow: Sequence[str] = (),
    signature: str | None = None,
    input_shape: InputShape | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Quantize a model by every scheme, after training and, given a way to train, by training; measure each alike.

    A scheme whose file fails its verification, or is refused by a runtime, is told among the failures; the others go
    on. Without the float file, which all are measured against, there is no comparison.

    Args:
        model: As for `octavo.quantize`; of a quantization-aware one, the rows are those of its float model, and itself.
        data: Representative dataset; needed by the integer schemes. Something that can be read several times.
        test: Test set: (x, y), real values as in training, y None where there are no labels; or the path of an .npz
            file, a tf.data.Dataset, PyDataset, DataLoader or generator of such pairs.
        metric: As for `QuantizedModel.evaluate`; None takes what suits the labels.
        schemes: Names of the schemes, in the table's order.
        config: Options of every row but the scheme, in one object, instead of those it has a field for.
        skip, layers, effort, methods, samples, integer_divisor, seed, allow, signature, input_shape, progress: As for
            `octavo.quantize`; integers in `test` are divided, too.
        train: Trains the model it is given, by compile and fit; None leaves these rows out. The model must then be a
            keras.Model. It is called for each of `train_schemes`, and with a copy of the float model, so that further
            training alone is not taken for a merit of training for quantization.
        train_schemes: Schemes to train for.
        train_float: Whether the float model gets the same further training, and rows of its own.
        also: More rows by name: quantization-aware models or their files, quantized models, and ready .tflite files or
            their bytes.
        flash, ram, matters, board: As for `Comparison.best`, which takes these unless told otherwise; with a board the
            budgets are its own.
        time_it: Whether to measure latency.

    Raises:
        ConfigError: for an unknown scheme or metric, a size that cannot be read, or without a test set.
        DatasetError: for data that can be read only once, or without data for a scheme that needs some.
        VerificationError, ModelFileError: if the float file fails, or every scheme; the first error then.
    """
    wishes = Wishes(flash, ram, matters, None if board is None else board_named(board))
    check_kinds(
        {
            "schemes": NAMES,
            "train_schemes": NAMES,
            "train": FUNCTION.such_as("lambda model: model.fit(x_train, y_train)"),
            "also": MAPPING,
            "train_float": YES_OR_NO,
            "time_it": YES_OR_NO,
        },
        {
            "schemes": schemes,
            "train_schemes": train_schemes,
            "train": train,
            "also": also,
            "train_float": train_float,
            "time_it": time_it,
        },
    )
    schemes = (schemes,) if isinstance(schemes, str) else schemes
    train_schemes = (train_schemes,) if isinstance(train_schemes, str) else train_schemes
    _check_given(test)
    _check_data_for(schemes, data)
    source = Source(_readable_again(data), samples, integer_divisor, progress)
    also, model = dict(also or {}), opened(model, allow)
    if is_quantization_aware(model):
        from octavo.qat.make import strip

        also = {f"{model.quantization.scheme} QAT": model, **also}
        model = strip(model)
    options = configured(config, skip=skip, layers=layers, effort=effort, seed=seed)
    prepared = prepare(model, allow, signature, input_shape, source.data)
    check_skip(prepared.graph, (*options.skip, *(layer.pattern for layer in options.layers)))
    held_out = _held_out(test, prepared, source)
    x, y = held_out.x, held_out.y
    original = quantize_prepared(prepared, QuantizeConfig("float32", seed=options.seed), source)
    float_outputs = original.predict(x)

    def row(technique: str, scheme: str, make: Callable[[], QuantizedModel], label: str = "") -> Row | Failure:
        try:
            made = make()
            given, floats = _called(x, made.graph.inputs), _called(float_outputs, made.graph.outputs)
            evaluation = made.evaluate(given, y, metric=metric, float_outputs=floats, time_it=time_it)
            return Row(technique, made, evaluation, label)
        except (VerificationError, ModelFileError, RuntimeEndedError) as error:
            return Failure(label or row_name(technique, scheme), error)

    def row_of(technique: str, scheme: str, make: Callable[[QuantizeConfig], QuantizedModel]) -> Row | Failure:
        """A row with the options of all; a layer may ask for what a scheme cannot have."""
        try:
            own = replace(options, scheme=scheme)
        except ConfigError as error:
            return Failure(row_name(technique, scheme), error)
        return row(technique, scheme, partial(make, own))

    rows = [row(FLOAT, "float32", lambda: original)] if "float32" in schemes else []
    names = [name for name in dict.fromkeys(schemes) if name != "float32"]
    for done, scheme in enumerate(names):
        if progress is not None:
            progress(scheme, done, len(names))
        rows.append(row_of(PTQ, scheme, partial(_quantized, prepared, source, methods)))
    if train is not None and train_float:
        further = prepare(_trained_further(model, train), allow)
        for scheme in dict.fromkeys(("float32", *train_schemes)):
            rows.append(row_of(MORE, scheme, partial(_quantized, further, source, methods)))
    if train is not None:
        rows += [row_of(QAT, each, partial(_trained, model, train, source, allow, methods)) for each in train_schemes]
    for name, each in also.items():
        brought = opened(each, allow)
        technique = QAT if is_quantization_aware(brought) else READY
        rows.append(row(technique, name, partial(read_ready, brought, name), name))
    doubtful = other_scale_notes(original.model, original.as_real(x), y, metric, samples_wanted(prepared.graph))
    return replace(_comparison(rows), wishes=wishes, note=held_out.note, of_test=doubtful)


def _board(name: str | None, flash: str | int | Same | None, ram: str | int | Same | None) -> Board | None:
    """The board meant by a name, with the budgets that were given instead of its own."""
    if name is None:
        return None
    return board_of(name, None if isinstance(flash, Same) else flash, None if isinstance(ram, Same) else ram)


def _comparison(results: Sequence[Row | Failure]) -> Comparison:
    """The comparison of what came of each scheme; the first error if nothing did."""
    rows = tuple(each for each in results if isinstance(each, Row))
    failures = tuple(each for each in results if isinstance(each, Failure))
    if failures and not rows:
        raise failures[0].error
    return Comparison(rows, failures)


def _quantized(prepared: Prepared, source: Source, methods: Sequence[Method], config: QuantizeConfig) -> QuantizedModel:
    return quantize_prepared(prepared, config, source, methods=methods)


def _check_data_for(schemes: Sequence[str], data: Any) -> None:
    """Refuse schemes that cannot be made, before any is.

    Raises:
        ConfigError: for an unknown name.
        DatasetError: if there is no data and one needs some.
    """
    hungry = [name for name in schemes if scheme_named(name).needs_data]
    if data is None and hungry:
        content = [name for name, scheme in SCHEMES.items() if not scheme.needs_data]
        raise DatasetError(
            f"without a representative dataset there is no {' and no '.join(hungry)}.",
            got="no data",
            expected="some hundred samples, prepared as in training",
            fix=f"pass data=x_train[:500], or leave it at the schemes that need none: {', '.join(content)}",
        )


def _check_given(test: Any) -> None:
    """Refuse to compare without a test set.

    Raises:
        ConfigError: if there is none.
    """
    if test is None:
        raise ConfigError(
            "a comparison needs a test set.",
            got="test=None",
            expected="test=(x, y), samples the model was not trained on",
            fix="pass test=(x_test, y_test), or test=(x, None) to compare with the float model's outputs alone",
        )


def _held_out(test: Any, prepared: Prepared, source: Source) -> Labelled:
    """The test set, as the model takes it."""
    inputs = [prepared.graph.tensors[name] for name in prepared.graph.inputs]
    return labelled_samples(test, inputs, source.divisor_for(prepared))


def _called(values: Samples, names: Sequence[str]) -> Samples:
    """Arrays by the names a model has for them; in their order where a file that a user brings has others."""
    if not isinstance(values, Mapping) or set(values) == set(names):
        return values
    arrays = tuple(values.values())
    return arrays[0] if len(arrays) == 1 else arrays


def _trained_further(model: Any, train: Callable[[Any], object]) -> Any:
    """A copy of the float model with the further training that the quantization-aware one gets."""
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    train(copy)
    return copy


def _readable_again(data: Any) -> Any:
    """The representative data, which every scheme reads from its beginning.

    Raises:
        DatasetError: if it can be read only once.
    """
    if is_spent(data):
        raise DatasetError(
            "a comparison reads the data once for each scheme.",
            got="a generator, which can be read only once",
            expected="an array, a list, or a function that returns a new generator",
            fix="pass the function itself: data=samples instead of data=samples()",
        )
    return data


def _trained(
    model: Any,
    train: Callable[[Any], object],
    source: Source,
    allow: Sequence[str],
    methods: Sequence[Method],
    config: QuantizeConfig,
) -> QuantizedModel:
    """The file of a model trained for a scheme, its ranges started from the representative data if there is any."""
    from octavo.qat.make import quantize_model

    aware = quantize_model(
        model,
        config=config,
        data=source.data,
        methods=methods,
        samples=source.samples,
        integer_divisor=source.integer_divisor,
        allow=allow,
    )
    train(aware)
    return quantize(aware)
