"""Marks of what is promised to stay as it is; kept because programs use the decorator."""

from __future__ import annotations

__all__ = ["compatibility"]
_BACK_COMPAT_OBJECTS: dict = {}
_MARKED_WITH_COMPATIBILITY: dict = {}


def compatibility(is_backward_compatible: bool):
    """Decorates a function or class as one that stays compatible, or may change."""

    def mark(obj):
        _MARKED_WITH_COMPATIBILITY.setdefault(obj, None)
        if is_backward_compatible:
            _BACK_COMPAT_OBJECTS.setdefault(obj, None)
        return obj

    return mark
