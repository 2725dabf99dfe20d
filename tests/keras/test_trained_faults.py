"""Faults planted in trained networks are named and mended as often as promised; without them there is no alarm."""

from __future__ import annotations

import numpy as np
import pytest
from trained_faults import FAULTS, made
from trained_networks import NETWORKS, network, split

import octavo

pytest.importorskip("sklearn")
pytestmark = pytest.mark.exhaustive

# Of twenty faults, as many must be put down to the right layer and cause, and regain so much of what they lose.
LAYERS, CAUSES, MENDED, REGAINED = 18 / 20, 17 / 20, 15 / 20, 0.8


def test_of_faults_in_trained_networks_most_are_named_and_mended() -> None:
    wrong: dict[str, list[str]] = {"layer": [], "cause": [], "mend": []}
    for name, fault in FAULTS.items():
        planted = made(fault)
        labels = np.asarray(planted.model.predict(planted.test, verbose=0)).argmax(axis=1)
        found = octavo.diagnose(planted.model, planted.data, (planted.test, labels), **planted.options).findings
        first = found[0] if found else None
        if first is None or (planted.layer and first.layer not in planted.layer):
            wrong["layer"].append(name)
        if first is None or first.cause != planted.cause:
            wrong["cause"].append(name)
        if first is None or first.mend.regained < REGAINED:
            wrong["mend"].append(name)
    for kind, share in (("layer", LAYERS), ("cause", CAUSES), ("mend", MENDED)):
        assert len(wrong[kind]) <= (1 - share) * len(FAULTS), wrong


@pytest.mark.parametrize("name", NETWORKS)
def test_a_trained_network_raises_no_alarm(name: str) -> None:
    x, _, test = split(name)
    found = octavo.diagnose(network(name), x, (test, None))
    assert found.findings == ()
    assert found.healthy
