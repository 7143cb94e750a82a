"""Functions of several signatures, for scripts; apart from the compiler, which programs without scripts never load."""

from __future__ import annotations

from typing import Any

_signatures: dict[str, list[Any]] = {}  # by the qualified name that the implementation has too


def _name_of(fn: Any) -> str:
    return f"{getattr(fn, '__module__', '')}.{getattr(fn, '__qualname__', '')}"


def overload(fn: Any) -> Any:
    """Declares one signature of a function or method whose implementation follows; scripts call the one that takes their arguments."""
    _signatures.setdefault(_name_of(fn), []).append(fn)
    return fn


def overloads_of(fn: Any) -> list[Any]:
    """The signatures that a function was declared to have."""
    return [f for f in _signatures.get(_name_of(fn), ()) if f is not fn]
