"""Questions about sizes that may be symbols: here all are numbers, so each is answered."""

from __future__ import annotations

from typing import Any

__all__ = [
    "GuardOnDataDependentSymNode", "definitely_false", "definitely_true", "free_symbols", "free_unbacked_symbols", "guard_bool", "guard_float",
    "guard_int", "guard_or_false", "guard_or_true", "guard_scalar", "guard_size_oblivious", "has_free_symbols", "hint_int", "is_concrete_bool",
    "is_concrete_int", "is_symbolic", "statically_known_false", "statically_known_true", "sym_eq",
]  # fmt: skip


class GuardOnDataDependentSymNode(RuntimeError):
    """A decision depends on a size that nobody knows; never raised here."""


def guard_or_false(a: Any) -> bool:
    """The truth of a condition.

    >>> guard_or_false(3 > 2)
    True
    """
    return bool(a)


guard_or_true = guard_size_oblivious = guard_bool = statically_known_true = definitely_true = guard_or_false


def statically_known_false(a: Any) -> bool:
    """Whether a condition is false."""
    return not a


definitely_false = statically_known_false


def guard_int(a: Any) -> int:
    """The number itself."""
    return int(a)


hint_int = guard_int


def guard_float(a: Any) -> float:
    """The number itself."""
    return float(a)


def guard_scalar(a: Any) -> Any:
    """The number itself."""
    return a


def free_symbols(value: Any) -> set:
    """The symbols in a size or in what is made of sizes: none."""
    return set()


free_unbacked_symbols = free_symbols


def has_free_symbols(value: Any) -> bool:
    """Whether there are symbols in it: no."""
    return False


is_symbolic = has_free_symbols


def is_concrete_int(a: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(a, int)


def is_concrete_bool(a: Any) -> bool:
    """Whether it is a bool."""
    return isinstance(a, bool)


def sym_eq(x: Any, y: Any) -> bool:
    """Whether two sizes, or lists of sizes, are equal."""
    return bool(x == y)
