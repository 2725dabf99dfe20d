"""Representative data from the frameworks people train with; each is recognised by what its objects can do."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.data.dataset import Dataset
from octavo.errors import DatasetError
from octavo.ir.types import Tensor

IMAGE = Tensor("image", (1, 4, 3, 2))
X = np.random.default_rng(0).normal(size=(7, 4, 3, 2)).astype(np.float32)
Y = np.arange(7)


def read(data: object, samples: int | None = None) -> np.ndarray:
    chunks = Dataset(data, [IMAGE], samples=samples).chunks(3)
    return np.concatenate([chunk.arrays[0] for chunk in chunks])


@pytest.mark.tensorflow
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_a_tf_data_set_is_read_batched_or_not(labels: bool, batch: int | None) -> None:
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((X, Y) if labels else X)
    assert np.array_equal(read(data if batch is None else data.batch(batch)), X)


@pytest.mark.tensorflow
def test_an_endless_tf_data_set_is_refused_unless_told_how_many() -> None:
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices(X).repeat()
    with pytest.raises(DatasetError, match=r"fix: +say how many to use"):
        read(data)
    assert np.array_equal(read(data, samples=5), X[:5])


@pytest.mark.torch
@pytest.mark.parametrize("batch", [1, 3, 7])
def test_a_torch_data_loader_is_read(batch: int) -> None:
    torch = pytest.importorskip("torch")
    tensors = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    assert np.array_equal(read(torch.utils.data.DataLoader(tensors, batch_size=batch)), X)
    assert np.array_equal(read(tensors), X)


@pytest.mark.torch
def test_a_torch_tensor_that_wants_gradients_is_read() -> None:
    torch = pytest.importorskip("torch")
    assert np.array_equal(read(torch.from_numpy(X.copy()).requires_grad_()), X)


def test_a_jax_array_is_read() -> None:
    jax = pytest.importorskip("jax")
    assert np.array_equal(read(jax.numpy.asarray(X)), X)


def test_a_keras_py_dataset_is_read_and_an_endless_one_refused() -> None:
    keras = pytest.importorskip("keras")

    class Batches(keras.utils.PyDataset):
        end: int | None = 2

        @property
        def num_batches(self) -> int | None:
            return self.end

        def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
            part = slice(4 * (index % 2), 4 * (index % 2) + 4)
            return X[part], Y[part]

    assert np.array_equal(read(Batches()), X)
    endless = Batches()
    endless.end = None
    with pytest.raises(DatasetError, match=r"fix: +say how many to use"):
        read(endless)
    assert np.array_equal(read(endless, samples=9), np.concatenate([X, X[:2]]))
