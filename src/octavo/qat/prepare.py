"""The passes that training and deployment of a flat model run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from octavo.errors import GraphError
from octavo.load.loaded import Loaded
from octavo.passes import PASSES, Pass, Rewrite, declared
from octavo.qat.surgery.flatten import in_terms_of_user
from octavo.stages import Prepared, prepare_loaded


def prepare_as_named(loaded: Loaded, paths: Mapping[str, str], passes: Sequence[Pass | Rewrite] = PASSES) -> Prepared:
    """Run the passes on the graph of a flat model, whose layers then bear the names of the user's model.

    Where they would leave an activation that the model does not compute, one of those that make new ones is left out,
    or all of them are.

    Raises:
        GraphError: for a pass that does not keep values: what it makes of the trained model is not what was trained.
    """
    known = [declared(each) for each in passes]
    for each in known:
        check_keeps_values(each)
    making = [each for each in known if each.makes_activations]
    for left_out in ((), *((each,) for each in making), making):
        prepared = prepare_loaded(loaded, [each for each in known if each not in left_out])
        if all(name in loaded.graph.tensors for node in prepared.graph.nodes for name in node.outputs):
            break
    return replace(prepared, graph=in_terms_of_user(prepared.graph, paths))


def check_keeps_values(each: Pass) -> None:
    """Refuse a pass that moves values which training has seen.

    Raises:
        GraphError: naming it.
    """
    if not each.keeps_values:
        raise GraphError(
            f"pass {each.name} does not keep values, and cannot stand between training and deployment.",
            got="a pass without keeps_values=True",
            expected="passes that leave every tensor the values it had under its name",
            fix=f"make {each.name} a conditioning method and pass methods=[...]; or, if it does keep values, declare "
            "@graph_pass(keeps_values=True)",
        )
