"""Telling all pipes below one about shares, shuffling and seeds."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import rushlight as rl

from .graph import traverse_dps

__all__ = [
    "apply_random_seed", "apply_sharding", "apply_shuffle_seed", "apply_shuffle_settings", "get_all_graph_pipes",
]  # fmt: skip


def get_all_graph_pipes(graph: dict) -> list:
    """The pipes of a graph, each once, those nearer to the end first."""
    found: dict[int, Any] = {}

    def walk(part: dict) -> None:
        for key, (pipe, below) in part.items():
            if key not in found:
                found[key] = pipe
                walk(below)

    walk(graph)
    return list(found.values())


def apply_sharding(datapipe: Any, num_of_instances: int, instance_id: int, sharding_group: Any = None) -> Any:
    """Tells the ``sharding_filter`` of each branch which share is its own. Two in one branch raise RuntimeError."""

    def walk(part: dict, above: Any) -> None:
        for pipe, below in part.values():
            own = getattr(pipe, "apply_sharding", None)
            if inspect.ismethod(own):
                if above is not None:
                    raise RuntimeError(
                        "Sharding twice on a single pipeline is likely unintended and will cause data loss. "
                        f"Sharding already applied to {above} while trying to apply to {pipe}"
                    )
                more = () if sharding_group is None or len(inspect.signature(own).parameters) < 3 else (sharding_group,)
                own(num_of_instances, instance_id, *more)
            walk(below, pipe if inspect.ismethod(own) else above)

    walk(traverse_dps(datapipe), None)
    return datapipe


def apply_shuffle_settings(datapipe: Any, shuffle: bool | None = None) -> Any:
    """Turns the shufflers below a pipe on or off; without any, True adds one at the end."""
    if shuffle is None:
        return datapipe
    pipes = get_all_graph_pipes(traverse_dps(datapipe))
    shufflers = [p for p in pipes if all(inspect.ismethod(getattr(p, n, None)) for n in ("set_shuffle", "set_seed"))]
    if not shufflers and shuffle:
        warnings.warn(
            "`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at the end. "
            "Be aware that the default buffer size might not be sufficient for your task.",
            stacklevel=2,
        )
        datapipe = datapipe.shuffle()
        shufflers = [datapipe]
    for shuffler in shufflers:
        shuffler.set_shuffle(shuffle)
    return datapipe


def apply_random_seed(datapipe: Any, rng: Any) -> Any:
    """Seeds the pipes below one that can be seeded, each by a number of the generator."""
    for pipe in get_all_graph_pipes(traverse_dps(datapipe)):
        if inspect.ismethod(getattr(pipe, "set_seed", None)):
            pipe.set_seed(int(rl.empty((), dtype=rl.int64).random_(generator=rng).item()))
    return datapipe


def apply_shuffle_seed(datapipe: Any, rng: Any) -> Any:
    """apply_random_seed(), by its old name."""
    return apply_random_seed(datapipe, rng)
