"""Operators by name: ``ops.linear``, and those that are functions of nn.functional just as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import _C

ops = _C._ops


def operator(name: str) -> Callable[..., Any]:
    """The operator itself, so that calling it costs nothing more; if this build has none, a function that says so."""
    found = getattr(ops, name, None)
    if found is not None:
        return found

    def missing(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{name}: this build of rushlight has no such operator")

    missing.__name__ = missing.__qualname__ = name
    return missing
