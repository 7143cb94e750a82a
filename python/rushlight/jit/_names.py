"""Names of torch.jit that only matter outside of scripts."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, Final

from ._script import script_if_tracing

__all__ = ["Final", "isinstance"]

_is = isinstance


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether obj is of a type that may have arguments, such as list[int] or Optional[Tensor]; containers are looked into.

    >>> import rushlight as torch
    >>> torch.jit.isinstance([1, 2], list[int]), torch.jit.isinstance({"a": 1}, dict[str, str])
    (True, False)
    """
    if _is(target_type, tuple):
        return any(isinstance(obj, t) for t in target_type)
    origin, inner = typing.get_origin(target_type), typing.get_args(target_type)
    if target_type is Any:
        return True
    if target_type is None or target_type is type(None):
        return obj is None
    if origin is None:
        if target_type in (typing.List, typing.Dict, typing.Tuple, typing.Optional):  # noqa: UP006
            raise RuntimeError(
                f"jit.isinstance: expected {target_type} with the types of what is in it, such as List[int]"
            )
        return _is(obj, target_type)
    if origin is typing.Union or type(target_type).__name__ == "UnionType":
        return any(isinstance(obj, t) for t in inner)
    if not _is(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items())
    if origin is tuple and not (len(inner) == 2 and inner[1] is ...):
        return len(obj) == len(inner) and all(isinstance(o, t) for o, t in zip(obj, inner, strict=True))
    return all(isinstance(o, inner[0]) for o in obj)


def _mark(fn: Callable) -> Callable:
    """The function, as it is."""
    return fn


_overload = _overload_method = _mark
_script_if_tracing = script_if_tracing
