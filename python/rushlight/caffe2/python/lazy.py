"""caffe2.python.lazy: what is imported before operators are first asked for."""

from __future__ import annotations

from collections.abc import Callable

_waiting: list[Callable[[], object]] = []


def RegisterLazyImport(lazy: Callable[[], object]) -> None:
    """Has a function called whenever operators are asked for by their names."""
    _waiting.append(lazy)


def TriggerLazyImport() -> None:
    for lazy in _waiting:
        lazy()
