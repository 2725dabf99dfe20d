"""The passes that training and deployment of a flat model run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from octavo.load.loaded import Loaded
from octavo.passes import PASSES_WITHOUT_NEW_ACTIVATIONS
from octavo.qat.surgery.flatten import in_terms_of_user
from octavo.stages import Prepared, prepare_loaded


def prepare_as_named(loaded: Loaded, paths: Mapping[str, str]) -> Prepared:
    """Run the passes on the graph of a flat model, whose layers then bear the names of the user's model.

    Where they would leave an activation that the model does not compute, those that make new ones are left out.
    """
    prepared = prepare_loaded(loaded)
    if any(name not in loaded.graph.tensors for node in prepared.graph.nodes for name in node.outputs):
        prepared = prepare_loaded(loaded, PASSES_WITHOUT_NEW_ACTIVATIONS)
    return replace(prepared, graph=in_terms_of_user(prepared.graph, paths))
