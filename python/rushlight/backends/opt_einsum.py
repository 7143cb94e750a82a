"""The order of products in einsum: from left to right, without the package opt_einsum. What is set here is kept, and changes nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

enabled: bool | None = False
strategy: str | None = None


def set_flags(_enabled: bool | None = None, _strategy: str | None = None) -> tuple[bool | None, str | None]:
    """Sets those that are given; gives what was set before."""
    global enabled, strategy
    before = enabled, strategy
    enabled = before[0] if _enabled is None else _enabled
    strategy = before[1] if _strategy is None else _strategy
    return before


@contextlib.contextmanager
def flags(enabled: bool | None = None, strategy: str | None = None) -> Iterator[None]:
    """The same for a scope."""
    before = set_flags(enabled, strategy)
    try:
        yield
    finally:
        globals()["enabled"], globals()["strategy"] = before


def is_available() -> bool:
    """Whether the package is used."""
    return False


def get_opt_einsum() -> None:
    """The package: None."""
    return None
