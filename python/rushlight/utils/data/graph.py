"""Which pipes a data pipe is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .datapipes._base import IterDataPipe, MapDataPipe

__all__ = ["traverse", "traverse_dps"]


def traverse_dps(datapipe: Any) -> dict:
    """The pipes that feed a pipe: ``{id: (pipe, the same of that pipe)}``. Attributes and collections in them are looked through.

    >>> from rushlight.utils.data.datapipes.iter import IterableWrapper
    >>> pipe = IterableWrapper([1, 2]).map(str)
    >>> (last, below), = traverse_dps(pipe).values()
    >>> last, [p for p, _ in below.values()]
    (Mapper, [IterableWrapper])
    """
    if not isinstance(datapipe, (IterDataPipe, MapDataPipe)):
        raise RuntimeError(f"Expected `IterDataPipe` or `MapDataPipe`, but {type(datapipe)} is found")
    return _graph(datapipe, set())


def _graph(pipe: Any, seen: set[int]) -> dict:
    if id(pipe) in seen:
        return {}
    seen = seen | {id(pipe)}  # a pipe that feeds two others is below both
    below: dict = {}
    for other in _pipes_in(pipe.__dict__):
        below.update(_graph(other, seen))
    return {id(pipe): (pipe, below)}


def _pipes_in(value: Any) -> Iterator[Any]:
    if isinstance(value, (IterDataPipe, MapDataPipe)):
        yield value
    elif isinstance(value, Mapping):
        for v in value.values():
            yield from _pipes_in(v)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for v in value:
            yield from _pipes_in(v)


def traverse(datapipe: Any, only_datapipe: bool | None = None) -> dict:
    """traverse_dps(), by its old name."""
    return traverse_dps(datapipe)
