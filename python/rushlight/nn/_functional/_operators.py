"""Operators by name: ``ops.linear``; those that are functions of nn.functional just as they are; and the records made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight import _C

ops = _C._ops
records = _C._functional  # with Python's signatures; see rushlight/ops/functional


def operator(name: str) -> Callable[..., Any]:
    """The operator itself, so that calling it costs nothing more; if this build has none, a function that says so."""
    found = getattr(ops, name, None)
    if found is not None:
        return found

    def missing(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{name}: this build of rushlight has no such operator")

    missing.__name__ = missing.__qualname__ = name
    return missing


def signature(record: Any) -> Any:
    """What inspect.signature says of a record: the parameters of its first schema."""
    import inspect

    def parameter(a: dict[str, Any]) -> inspect.Parameter:
        kind = inspect.Parameter.KEYWORD_ONLY if a["kwarg_only"] else inspect.Parameter.POSITIONAL_OR_KEYWORD
        default = a["default"] if a["has_default"] else inspect.Parameter.empty
        return inspect.Parameter(a["name"], kind, default=default)

    return inspect.Signature([parameter(a) for a in _C._parse_schema(record._schemas[0])[2]])
