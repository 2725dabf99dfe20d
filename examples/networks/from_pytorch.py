"""A network of PyTorch: litert-torch writes a float .tflite of it, and Octavo takes it from there.

Needs `pip install litert-torch`, which is no part of Octavo.
"""

import tempfile
from pathlib import Path

import litert_torch
import numpy as np
import torch
from torch import nn

import octavo

SIDE = 32


def data(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 1, SIDE, SIDE), channels first, of a disc, a square or a cross somewhere in noise; and which."""
    rng = np.random.default_rng(seed)
    label, size = rng.integers(0, 3, count), rng.integers(4, 8, (count, 1, 1))
    center = rng.integers(9, SIDE - 9, (2, count, 1, 1))
    rows, columns = (
        np.abs(each - middle) for each, middle in zip(np.mgrid[:SIDE, :SIDE][:, None], center, strict=True)
    )
    shapes = [rows**2 + columns**2 <= size**2, np.maximum(rows, columns) <= size, np.minimum(rows, columns) <= 1]
    near = np.maximum(rows, columns) <= size
    x = np.choose(label[:, None, None], [shape & near for shape in shapes]) * rng.uniform(0.5, 1.5, (count, 1, 1))
    return (x + rng.normal(0, 0.2, x.shape)).astype("float32")[:, None], label


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of shape (batch, channels, height, width), as the result is."""
        return torch.relu(x + self.convolutions(x))


def build() -> nn.Module:
    """A small residual network; its padded pooling has a border of minus infinity in the file."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        Residual(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def fit(model: nn.Module, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Train a model, and leave it in inference mode."""
    adam, loss = torch.optim.Adam(model.parameters(), 3e-3), nn.CrossEntropyLoss()
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(32):
            adam.zero_grad()
            loss(model(images[batch]), labels[batch]).backward()
            adam.step()
    model.eval()


def main(count: int = 2000, epochs: int = 12) -> tuple[octavo.QuantizedModel, float, float]:
    """Train, convert and quantize; returns the file, and the accuracies of the model and of the file."""
    torch.manual_seed(0)
    (x, y), (x_test, y_test) = data(count, 1), data(500, 2)
    model = build()
    fit(model, x, y, epochs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        litert_torch.convert(model, (torch.from_numpy(x[:1]),)).export(str(path))
        made = octavo.quantize(path, "int8", x[:300])
    with torch.no_grad():
        answers = model(torch.from_numpy(x_test)).numpy()
    before, after = (float(np.mean(each.argmax(1) == y_test)) for each in (answers, made.predict(x_test)))
    print(f"accuracy {before:.1%} in float, {after:.1%} in int8 and {len(made.model):,} bytes")
    return made, before, after


if __name__ == "__main__":
    main()
