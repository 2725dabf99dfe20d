"""Work spread over the machines of a Ray cluster; what a process or machine had in hand when it ended is done again.

Source: Moritz et al. 2018, "Ray: A Distributed Framework for Emerging AI Applications"; actors that restart.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from octavo.errors import MissingDependencyError

# How often an actor is started anew, and a call is made again, before it is an error.
TRIES = 3


class Held:
    """What stands in each process of the cluster: one object, and calls on it.

    Args:
        held: The object.
    """

    def __init__(self, held: Any) -> None:
        self._held = held

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """What a function makes of the object."""
        return function(self._held, *arguments)


def each_on_ray(
    held: Any, calls: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]], address: str
) -> Generator[tuple[str, Any]]:
    """(name, result) of calls on an object, as they come, by one process for each processor of a cluster.

    Args:
        held: The object; it goes to each process once.
        calls: (function, its arguments after the object) by name; the function can be imported on each machine.
        address: Of the cluster: "auto", "ray://host:port", or "local" for one on this machine alone. One that this
            process is joined to already is used whatever it says.

    Raises:
        MissingDependencyError: without Ray.
    """
    ray = _ray()
    joined = ray.is_initialized()
    if not joined:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    try:
        count = min(len(calls), max(1, int(ray.cluster_resources().get("CPU", 1))))
        kind = ray.remote(max_restarts=TRIES, max_task_retries=TRIES)(Held)
        stored, waiting = ray.put(held), list(calls.items())
        idle: list[Any] = [kind.remote(stored) for _ in range(count)]
        busy: dict[Any, tuple[str, Any]] = {}
        while waiting or busy:
            while waiting and idle:
                name, (function, arguments) = waiting.pop(0)
                actor = idle.pop()
                busy[actor.call.remote(function, arguments)] = name, actor
            (done,), _ = ray.wait(list(busy))
            name, actor = busy.pop(done)
            idle.append(actor)
            yield name, ray.get(done)
    finally:
        if not joined:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            "spreading work over machines needs Ray.",
            got=f"no ray ({error})",
            expected="ray 2.40 or later",
            fix='pip install "octavo[ray]", or leave ray= out and say workers=4 for processes of this machine',
        ) from error
    return ray
