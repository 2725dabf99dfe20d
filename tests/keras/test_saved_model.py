"""What only TensorFlow can read: SavedModel folders, and models whose `call` is Python code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.errors import MissingDependencyError, ModelFileError, UnsupportedLayerError
from octavo.load import load
from octavo.load.saved_model_ops import check_operators
from octavo.load.tensorflow import convert, load_in_memory, load_saved_model, load_subclassed
from octavo.run.litert import LiteRT
from octavo.write.tflite import write_tflite

# Float32 sums of at most 9 * 3 + 4 * 36 products in another order.
CLOSE = {"rtol": 0, "atol": 171 * float(np.finfo(np.float32).eps) * 4}

WITH_OWN_CALL = """
import keras, numpy as np

class Branches(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = keras.layers.Conv2D(4, 3, activation="relu")
        self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(3)

    def call(self, x):
        y = self.conv(x)
        return self.dense(self.flat(y + keras.ops.mean(y, axis=(1, 2), keepdims=True)))

keras.utils.set_random_seed(1)
model = Branches()
x = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
y = np.asarray(model(x))
"""


def run(backend: str, program: str) -> None:
    """Run a program in a process of its own, since a process has one backend."""
    command = [sys.executable, "-c", WITH_OWN_CALL + program]
    finished = subprocess.run(command, env={"KERAS_BACKEND": backend}, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a SavedModel, its input and output, and the .tflite of the same model loaded without a folder."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("exported")
    run(
        "tensorflow",
        f"""
model.export({str(folder / "saved")!r}, verbose=False)
np.savez({str(folder / "values.npz")!r}, x=x, y=y)
from octavo.load import load
from octavo.write.tflite import write_tflite
open({str(folder / "direct.tflite")!r}, "wb").write(write_tflite(load(model).graph))
try:
    load(Branches())
except Exception as error:
    open({str(folder / "unbuilt.txt")!r}, "w").write(f"{{type(error).__name__}}: {{error}}")
""",
    )
    return folder


def computed(content: bytes, x: np.ndarray) -> np.ndarray:
    runtime = LiteRT(content)
    return next(iter(runtime.run({runtime.inputs[0].name: x}).values()))


@pytest.mark.tensorflow
def test_a_saved_model_of_a_subclassed_model_computes_the_same(exported: Path) -> None:
    values = np.load(exported / "values.npz")
    graph = load(exported / "saved").graph
    assert graph.tensors[graph.inputs[0]].shape == (1, 8, 8, 3)
    np.testing.assert_allclose(computed(write_tflite(graph), values["x"][:1]), values["y"][:1], **CLOSE)


@pytest.mark.tensorflow
def test_a_model_with_its_own_call_is_loaded_through_tensorflow(exported: Path) -> None:
    values = np.load(exported / "values.npz")
    content = (exported / "direct.tflite").read_bytes()
    np.testing.assert_allclose(computed(content, values["x"][:1]), values["y"][:1], **CLOSE)


@pytest.mark.tensorflow
def test_a_model_with_its_own_call_that_was_never_called_says_so(exported: Path) -> None:
    message = (exported / "unbuilt.txt").read_text()
    assert message.startswith("UnsupportedLayerError: model 'branches")
    assert "fix:      call the model once on a batch of data" in message


@pytest.mark.tensorflow
def test_what_keras_cannot_export_is_refused() -> None:
    pytest.importorskip("tensorflow")
    import keras

    with pytest.raises(UnsupportedLayerError, match=r"fix: +call the model once on a batch of data"):
        load_subclassed(keras.Sequential([keras.layers.Dense(3)]))


@pytest.mark.tensorflow
@pytest.mark.exhaustive
def test_a_saved_model_made_on_jax_says_how_to_make_it(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    run("jax", f"model.export({str(tmp_path)!r}, verbose=False)")
    with pytest.raises(UnsupportedLayerError, match=r"fix: +export it again with KERAS_BACKEND=tensorflow"):
        load_saved_model(tmp_path)


@pytest.fixture
def module() -> tuple[Any, Any]:
    """A tf.Module and TensorFlow itself."""
    tf = pytest.importorskip("tensorflow")
    return tf.Module(), tf


def save(module: Any, folder: Path, **signatures: Any) -> Path:
    made, tf = module
    spec = tf.TensorSpec((None, 4), tf.float32, "x")
    functions = {name: tf.function(function, input_signature=[spec]) for name, function in signatures.items()}
    made.functions = list(functions.values())
    tf.saved_model.save(made, str(folder), signatures=functions)
    return folder


@pytest.mark.tensorflow
@pytest.mark.exhaustive  # each signature is a conversion in a process of its own, with TensorFlow's start
def test_the_only_signature_is_read_and_the_default_of_several(module: Any, tmp_path: Path) -> None:
    only = load_saved_model(save(module, tmp_path / "only", double=lambda x: {"y": 2.0 * x}))
    assert (only.graph.inputs, [node.op for node in only.graph.nodes]) == (("x",), ["MUL"])
    functions = {"other": lambda x: {"y": x + 1.0}, "serving_default": lambda x: {"y": 3.0 * x}}
    default = load_saved_model(save(module, tmp_path / "two", **functions))
    assert [node.op for node in default.graph.nodes] == ["MUL"]


@pytest.mark.tensorflow
@pytest.mark.exhaustive
def test_several_signatures_without_a_default_are_refused(module: Any, tmp_path: Path) -> None:
    folder = save(module, tmp_path / "m", a=lambda x: {"y": 2.0 * x}, b=lambda x: {"y": x + 1.0})
    with pytest.raises(ModelFileError, match=r"(?s)'a', 'b'.*fix: +export it with tf\.saved_model\.save"):
        load_saved_model(folder)


@pytest.mark.tensorflow
@pytest.mark.exhaustive
def test_an_operator_that_the_converter_lacks_is_refused(module: Any, tmp_path: Path) -> None:
    tf = module[1]
    folder = save(module, tmp_path / "m", f=lambda x: {"y": tf.raw_ops.Erfinv(x=x)})
    with pytest.raises(UnsupportedLayerError, match=r"(?s)Erfinv.*fix: +build the model of Keras layers"):
        load_saved_model(folder)


@pytest.mark.tensorflow
def test_a_damaged_saved_model_is_refused(module: Any, tmp_path: Path) -> None:
    folder = save(module, tmp_path / "m", f=lambda x: {"y": 2.0 * x})
    (folder / "saved_model.pb").write_bytes(b"\x00\x01\x02")
    with pytest.raises(UnsupportedLayerError, match=r"fix: +build the model of Keras layers"):
        load_saved_model(folder)


@pytest.mark.tensorflow
def test_a_folder_without_a_saved_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    with pytest.raises(ModelFileError, match=r"fix: +give the folder that saved_model\.pb lies in"):
        load_saved_model(tmp_path)


def test_without_tensorflow_a_saved_model_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(MissingDependencyError, match=r"fix: +pip install 'octavo\[tensorflow\]'"):
        load_saved_model(tmp_path)


@pytest.mark.tensorflow
def test_a_named_signature_is_read(module: Any, tmp_path: Path) -> None:
    folder = save(module, tmp_path / "m", a=lambda x: {"y": 2.0 * x}, b=lambda x: {"y": x + 1.0})
    assert [node.op for node in load(folder, signature="b").graph.nodes] == ["ADD"]


class WritesWhenLoaded:
    """What runs when a SavedModel is loaded: the initializer of a resource."""

    @staticmethod
    def of(tf: Any, effect: Any) -> Any:
        class Resource(tf.saved_model.experimental.TrackableResource):
            def _create_resource(self) -> Any:
                return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[])

            def _initialize(self) -> None:
                effect()

        return Resource()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "effect", ["writes", *(pytest.param(e, marks=pytest.mark.exhaustive) for e in ("reads", "prints", "calls Python"))]
)
def test_a_saved_model_that_does_more_than_compute_is_refused_before_it_is_loaded(
    module: Any, tmp_path: Path, effect: str
) -> None:
    tf = module[1]
    target = tmp_path / "ran"
    effects = {
        "writes": lambda: tf.io.write_file(str(target), "x"),
        "reads": lambda: tf.debugging.assert_equal(tf.io.read_file("/etc/hostname"), "x"),
        "prints": lambda: tf.print("x", output_stream=f"file://{target}"),
        "calls Python": lambda: tf.py_function(lambda: target.touch(), [], []),
    }
    module[0].resource = WritesWhenLoaded.of(tf, effects[effect])
    folder = save(module, tmp_path / "m", f=lambda x: {"y": 2.0 * x})
    target.unlink(missing_ok=True)
    with pytest.raises(UnsupportedLayerError, match=r"(?s)more than compute.*fix: +export the model's computation"):
        load_saved_model(folder)
    assert not target.exists()


@pytest.mark.tensorflow
@pytest.mark.exhaustive
def test_a_saved_model_of_tensorflow_1_is_refused(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, (None, 4))
        v1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": x}, {"y": 2.0 * x})
    with pytest.raises(ModelFileError, match=r"fix: +load it with tf\.saved_model\.load"):
        load_saved_model(tmp_path / "m")


@pytest.mark.tensorflow
def test_a_saved_model_that_points_out_of_its_folder_is_refused(module: Any, tmp_path: Path) -> None:
    folder = save(module, tmp_path / "m", f=lambda x: {"y": 2.0 * x})
    (folder / "more").symlink_to("/etc/hostname")
    with pytest.raises(ModelFileError, match=r"(?s)symbolic link.*fix: +export the model again into an empty folder"):
        load_saved_model(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone confines a process to a folder")
def test_a_confined_process_writes_below_its_folder_alone(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from octavo.load.confine import confine\n"
        "inside, outside = map(Path, sys.argv[1:])\n"
        "print(confine(inside, 60, 1 << 20))\n"
        "(inside / 'a').write_text('x')\n"
        "try:\n    (outside / 'b').write_text('x')\nexcept OSError as error:\n    print(type(error).__name__)"
    )
    inside = tmp_path / "inside"
    inside.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", program, str(inside), str(tmp_path)], capture_output=True, text=True, check=True
    )
    if ended.stdout.startswith("False"):
        pytest.skip("this kernel has no Landlock")
    assert ended.stdout.split() == ["True", "PermissionError"]
    assert not (tmp_path / "b").exists()


def parsed(folder: Path) -> Any:
    from tensorflow.python.saved_model import loader_impl

    return loader_impl.parse_saved_model(str(folder))


@pytest.mark.tensorflow
def test_the_checks_of_the_converters_process_raise_their_errors(module: Any, tmp_path: Path) -> None:
    tf = module[1]
    folder = save(module, tmp_path / "m", a=lambda x: {"y": 2.0 * x}, b=lambda x: {"y": x + 1.0})
    saved = parsed(folder)
    check_operators(saved, lambda op: False, "m")
    with pytest.raises(ModelFileError, match=r"fix: +export it with tf\.saved_model\.save"):
        convert(tf, folder, "m", "absent")
    with pytest.raises(UnsupportedLayerError, match=r"fix: +build the model of Keras layers"):
        convert(tf, tmp_path / "absent", "m")
    node = saved.meta_graphs[0].graph_def.library.function[0].node_def.add()
    for op, fix in (("WriteFile", "export the model's computation"), ("XlaCallModule", "export it again")):
        node.op = op
        with pytest.raises(UnsupportedLayerError, match=rf"fix: +{fix}"):
            check_operators(saved, lambda op: False, "m")
    saved.meta_graphs[0].object_graph_def.Clear()
    with pytest.raises(ModelFileError, match=r"fix: +load it with tf\.saved_model\.load"):
        check_operators(saved, lambda op: False, "m")
    with pytest.raises(UnsupportedLayerError, match=r"fix: +give function\.get_concrete_function"):
        load_in_memory(tf.function(lambda x: x))


IN_MEMORY = """
import numpy as np, tensorflow as tf
from octavo.load import load
from octavo.run import reference

class Scaled(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(np.random.default_rng(0).normal(size=(6, 5)).astype("float32"))

    @tf.function(input_signature=[tf.TensorSpec((None, 6))])
    def __call__(self, x):
        return tf.nn.relu(tf.matmul(x, self.weights))

model = Scaled()
x = np.random.default_rng(1).normal(size=(1, 6)).astype("float32")
for source in (model, model.__call__, model.__call__.get_concrete_function()):
    graph = load(source).graph
    (found,) = reference.run(graph, {graph.inputs[0]: x}).values()
    # Sums of six products in another order.
    np.testing.assert_allclose(found, model(x), rtol=0, atol=6 * 2.0**-23 * 16)
assert load(model, input_shape=(3, 6)).graph.tensors[graph.inputs[0]].shape == (3, 6)
"""


@pytest.mark.tensorflow
@pytest.mark.exhaustive
def test_what_tensorflow_holds_in_memory_is_read_like_a_saved_model() -> None:
    pytest.importorskip("tensorflow")
    environment = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", IN_MEMORY]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
