"""SymInt and its kin: in PyTorch, numbers that a tracer has yet to find out. Here sizes are always numbers; programs test for the types."""

from __future__ import annotations

import math
from typing import Any

__all__ = [
    "SymBool",
    "SymFloat",
    "SymInt",
    "sym_float",
    "sym_int",
    "sym_ite",
    "sym_max",
    "sym_min",
    "sym_not",
    "sym_sqrt",
    "sym_sum",
]


class SymInt:
    """The type of sizes yet unknown; nothing is of it."""

    __module__ = "rushlight"


class SymFloat:
    """The type of numbers yet unknown; nothing is of it."""

    __module__ = "rushlight"


class SymBool:
    """The type of conditions yet unknown; nothing is of it."""

    __module__ = "rushlight"


def sym_int(a: Any) -> int:
    """The number without its fraction."""
    return math.trunc(a)


def sym_float(a: Any) -> float:
    """float(a)."""
    return float(a)


def sym_not(a: Any) -> bool:
    """not a."""
    return not a


def sym_ite(b: Any, t: Any, f: Any) -> Any:
    """t if b else f."""
    return t if b else f


def _same_kind(a: Any, b: Any, pick: Any) -> Any:
    value = pick(a, b)
    return float(value) if isinstance(a, float) or isinstance(b, float) else value


def sym_max(a: Any, b: Any) -> Any:
    """max(a, b), a float if one of them is."""
    return _same_kind(a, b, max)


def sym_min(a: Any, b: Any) -> Any:
    """min(a, b), a float if one of them is."""
    return _same_kind(a, b, min)


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return math.sqrt(a)


def sym_sum(args: Any) -> Any:
    """sum(args)."""
    return sum(args)
