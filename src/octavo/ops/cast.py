"""CAST: numbers in another type."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.dtypes import DType
from octavo.ir.inputs import Inputs
from octavo.ir.types import Options, Tensor
from octavo.ops.activation import same_shape
from octavo.ops.refuse import refuse
from octavo.ops.roles import Data, Fixed, Parameter
from octavo.ops.shape import moves
from octavo.ops.signs import as_operands
from octavo.ops.spec import Emitter, Example, KerasCall, KerasForm, OpSpec

_WHOLE = frozenset({DType.INT32, DType.BOOL})


class ElementType(enum.IntEnum):
    """Types between which LiteRT casts, as the schema numbers them."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    BOOL = 6
    INT16 = 7
    INT8 = 9

    @property
    def dtype(self) -> DType:
        """The same type, as tensors have it."""
        return DType[self.name]


@dataclass(frozen=True, slots=True)
class CastOptions(Options):
    """Options of CAST: the types it casts from and to."""

    table = "CastOptions"
    in_data_type: ElementType = ElementType.FLOAT32
    out_data_type: ElementType = ElementType.FLOAT32


def cast_types(options: CastOptions, inputs: Inputs[Tensor]) -> tuple[DType, ...]:
    """The type cast to."""
    return (options.out_data_type.dtype,)


def cast_float(options: CastOptions, inputs: Inputs[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Reference of CAST: fractions are cut off, and what is not 0 is true."""
    (x,) = inputs
    target = options.out_data_type.dtype
    return (x if target.is_float and x.dtype.kind == "f" else x.astype(target.numpy),)


def emit_cast(b: Emitter, name: str, dtype: DType, *, suffix: str = "cast") -> str:
    """Cast tensor `name` to a type; the tensor itself where it has it."""
    source = b.dtype(name)
    if source is dtype:
        return name
    return b.emit("CAST", [name], CastOptions(ElementType[source.name], ElementType[dtype.name]), suffix=suffix)


def as_floats(b: Emitter, name: str, *, suffix: str = "real") -> str:
    """Tensor `name` as real numbers."""
    return emit_cast(b, name, DType.FLOAT32, suffix=suffix)


def of_one_type(b: Emitter, spec: OpSpec, names: Sequence[str | None]) -> list[str | None]:
    """Operands of a type that an operator computes of, as Keras promotes them: whole numbers to reals beside such.

    Args:
        b: Where they are.
        spec: The operator's row; one that says of what type its results are is given what it asks for.
        names: Its operands.
    """
    types = {
        b.dtype(name) for i, name in enumerate(names) if name is not None and not isinstance(spec.role(i), Parameter)
    }
    if spec.types is not None or spec.of_shapes or types.isdisjoint(_WHOLE):
        return list(names)
    if types <= _WHOLE and spec.takes_whole:
        dtype = DType.BOOL if spec.takes_truths and types == {DType.BOOL} else DType.INT32
    else:
        dtype = DType.FLOAT32
    return [
        name
        if name is None or isinstance(spec.role(i), Parameter) or b.dtype(name) not in _WHOLE
        else emit_cast(b, name, dtype, suffix="promoted")
        for i, name in enumerate(names)
    ]


def lower_cast(b: Emitter, call: KerasCall) -> str:
    """keras.ops.cast: between reals nothing, as every real tensor is float32; int64 becomes int32.

    Raises:
        UnsupportedLayerError: for complex numbers, and for integers so narrow that values would wrap.
    """
    wanted = str(call.operation.dtype)
    if "float" in wanted:
        return as_floats(b, call.inputs[0], suffix="")
    if wanted not in ("int32", "int64", "bool"):
        raise refuse(
            call.operation,
            got=f"dtype {wanted}",
            expected="a float type, int32, int64 or bool",
            fix='cast to "int32", or leave the cast out',
        )
    return emit_cast(b, call.inputs[0], DType.BOOL if wanted == "bool" else DType.INT32, suffix="")


def on_integers(options: CastOptions, dtype: DType) -> CastOptions | None:
    """Truth values become the integers 0 and 1, whose scale is 1."""
    if options.in_data_type is not ElementType.BOOL or not options.out_data_type.dtype.is_float:
        return None
    return CastOptions(ElementType.BOOL, ElementType[dtype.name])


def cast_training(ops: Any) -> Any:
    """CAST on Keras tensors."""
    return lambda x, out_data_type: ops.cast(x, ElementType(out_data_type).dtype.value)


def _options(source: ElementType, target: ElementType) -> CastOptions:
    return CastOptions(source, target)


def _examples() -> Sequence[Example]:
    real, whole, truth = ElementType.FLOAT32, ElementType.INT32, ElementType.BOOL
    return (
        Example(((1, 6, 5),), options=_options(real, whole), low=-9.0, high=9.0),
        Example(((1, 30),), options=_options(whole, real), dtypes={0: DType.INT32}),
        Example(((1, 30),), options=_options(truth, real), dtypes={0: DType.BOOL}),
    )


CAST = OpSpec(
    name="CAST",
    options=CastOptions,
    inputs=(Data(),),
    outputs=(Fixed({DType.INT8: (1.0, 0), DType.INT16: (1.0, 0)}),),
    on_integers=on_integers,
    shapes=same_shape,
    pointwise=True,
    types=cast_types,
    training=cast_training,
    positive=as_operands,
    run_float=cast_float,
    integer=moves(cast_float),
    activations=frozenset(),
    micro=frozenset({DType.FLOAT32, DType.INT32, DType.BOOL, DType.INT8, DType.INT16}),
    keras={
        "ops.Cast": KerasForm(
            lower_cast,
            lambda keras: (lambda x: keras.ops.cast(keras.ops.cast(3.0 * x, "int32"), "float32"), ((6, 4),)),
        )
    },
    examples=tuple(_examples()),
)

SPECS = (CAST,)
