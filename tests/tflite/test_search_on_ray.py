"""A search on a Ray cluster of two nodes, one of which ends while it works, finds what one process finds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from keras_networks import convolutional, images
from octavo.config import QuantizeConfig
from octavo.errors import MissingDependencyError
from octavo.search.search import search

OPTIONS: dict[str, Any] = {"points": 2, "swaps": 2, "config": QuantizeConfig(effort="fast")}
DATA = images(40)


def test_without_ray_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r'fix: +pip install "octavo\[ray\]"'):
        search(convolutional(), DATA, ray="local", **OPTIONS)


@pytest.fixture
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="needs Ray: pip install octavo[ray]")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("default")
def test_two_nodes_find_the_same_though_one_ends(cluster: Any) -> None:
    model = convolutional()
    alone = search(model, DATA, **OPTIONS)
    ended: list[Any] = []

    def end_a_node(stage: str, done: int, total: int | None) -> None:
        if not ended:
            ended.extend(cluster.worker_nodes)
            cluster.remove_node(ended[0])

    together = search(model, DATA, ray="auto", progress=end_a_node, **OPTIONS)
    assert len(ended) == 1
    assert (together.table, together.points, together.chosen) == (alone.table, alone.points, alone.chosen)
    assert together.quantized is not None
    assert alone.quantized is not None
    assert together.quantized.model == alone.quantized.model
