"""Every public function of keras.ops, in several uses: read, or refused in four parts; never by a bare exception."""

from __future__ import annotations

import pytest
from every_operation import functions, models
from keras import ops

from octavo.errors import OctavoError
from octavo.load.keras_graph import load_keras
from octavo.ops.table import KERAS_FORMS

# More would be refused only if forms were lost.
READ_FUNCTIONS = 170


@pytest.mark.filterwarnings("ignore")
def test_every_function_of_keras_is_read_or_refused() -> None:
    read = set()
    for name in functions():
        for _, model in models(name, limit=2):
            try:
                load_keras(model)
            except OctavoError:
                continue
            read.add(name)
    assert len(read) >= READ_FUNCTIONS


def test_forms_of_operations_are_named_after_classes_that_keras_has() -> None:
    from keras.src import ops as source

    modules = [source.core, source.image, source.linalg, source.math, source.nn, source.numpy]
    known = {name for module in modules for name in vars(module)} | {"GetItem", "ReLU"}
    named = {form.removeprefix("ops.") for form in KERAS_FORMS if form.startswith("ops.")}
    assert named <= known
    assert callable(ops.relu)
