"""Whether the compiled operators are there: they are, and are loaded when the first is called."""

from __future__ import annotations

__all__ = ["_assert_has_ops", "_has_ops"]


def _has_ops() -> bool:
    return True


def _assert_has_ops() -> None:
    pass
