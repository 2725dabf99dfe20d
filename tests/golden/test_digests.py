"""The bytes of reference files are what they were."""

from __future__ import annotations

import pytest
from reference_files import CASES, digest, recorded, reference_file

RENEW = """the bytes of this file are not what they were.
If that is meant, write the digests anew and say in changelog.d what changes for users:
    python tests/golden/reference_files.py"""


@pytest.mark.parametrize(("graph", "config"), CASES)
def test_a_reference_file_has_the_bytes_it_had(graph: str, config: str) -> None:
    assert digest(reference_file(graph, config)) == recorded()[graph][config], RENEW


def test_every_recorded_digest_is_checked() -> None:
    assert {(graph, config) for graph, configs in recorded().items() for config in configs} == set(CASES)
