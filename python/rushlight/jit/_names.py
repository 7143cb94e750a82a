"""Names of torch.jit that only matter outside of scripts."""

from __future__ import annotations

import contextlib
import re
import typing
from collections.abc import Iterator
from typing import Any, Final

from ._resolver import _overload, _overload_method  # noqa: F401  # of torch.jit
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


_script_if_tracing = script_if_tracing


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Nothing changes: graphs are always optimised."""
    yield


class strict_fusion:  # noqa: N801
    """Says that what stands inside should be fused; here it changes nothing."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        pass


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Changes nothing: a graph has one program for all shapes. Gives the strategy that was set before."""
    global _strategy
    old, _strategy = _strategy, list(strategy)
    return old


_strategy: list[tuple[str, int]] = [("STATIC", 2), ("DYNAMIC", 10)]


def enable_onednn_fusion(enabled: bool) -> None:
    """Changes nothing: products and convolutions are always oneDNN's."""


def onednn_fusion_enabled() -> bool:
    """False: there is no such switch."""
    return False


def export_opnames(m: Any) -> list[str]:
    """The operators that a module's methods call, by name.

    >>> import rushlight as torch
    >>> torch.jit.export_opnames(torch.jit.script(torch.nn.ReLU()))
    ['aten::relu']
    """
    found = set(re.findall(r"\b(aten::\w+)", "".join(str(m._method(name).inlined_graph) for name in m._c._methods())))
    return sorted(found)
