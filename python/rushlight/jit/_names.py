"""Names of torch.jit that only matter outside of scripts."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Iterator
from typing import Any, Final

from .._overloads import overload as _overload  # noqa: F401  # of torch.jit
from .._overloads import overload as _overload_method  # noqa: F401
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
    if _is(obj, (list, dict, tuple)) and not obj:
        from .._jit_internal import check_empty_containers

        check_empty_containers(obj)
    if _is(target_type, (list, set, dict)):
        raise RuntimeError("The second argument to `torch.jit.isinstance` must be a type or a tuple of types")
    origin, inner = typing.get_origin(target_type), typing.get_args(target_type)
    if target_type is Any:
        return True
    if target_type is None or target_type is type(None):
        return obj is None
    bare = {typing.List: "List", typing.Dict: "Dict", typing.Tuple: "Tuple", typing.Optional: "Optional"}  # noqa: UP006
    with contextlib.suppress(TypeError):  # of what can't be a key
        if target_type in bare:
            name, plural = bare[target_type], "contained types" if target_type is typing.Dict else "a contained type"  # noqa: UP006
            example = {"Dict": "Dict[int, int]"}.get(name, f"{name}[int]")
            raise RuntimeError(
                f"Attempted to use {name} without {plural}. Please add {plural.replace('types', 'type')}, e.g. {example}"
            )
    if origin is None:
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


class _IgnoreContextManager:
    """A block that stays Python's inside of a function that is scripted: ``with torch.jit._IgnoreContextManager(a="inp:int", b="out:int"):``
    takes the values named ``inp`` with their types, and sets those named ``out``. In Python it changes nothing."""

    def __init__(self, **kwargs: str) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        pass


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


def _unwrap_optional(x: Any) -> Any:
    """x, which is not None.

    >>> import rushlight as torch
    >>> torch.jit._unwrap_optional(3)
    3
    """
    if x is None:
        raise AssertionError("Unwrapping null optional")
    return x


def _drop(fn: Any) -> Any:
    """Marks a method that is no part of the compiled module at all."""
    fn._torchscript_modifier = "unused"
    return fn


def _unique_state_dict(module: Any, keep_vars: bool = False) -> dict[str, Any]:
    """A module's state, in which what is shared has one name."""
    found: dict[int, str] = {}
    state = module.state_dict(keep_vars=True)
    for name, value in state.items():
        found.setdefault(id(value), name)
    return {name: state[name] if keep_vars else state[name].detach() for name in found.values()}


@contextlib.contextmanager
def fuser(name: str) -> Iterator[None]:
    """Nothing changes, whatever is named: there is one way to fuse."""
    if name not in ("fuser0", "fuser1", "fuser2", "fuser3", "none"):
        raise Exception(f"unrecognized fuser option (name: {name})")
    yield


def export_opnames(m: Any) -> list[str]:
    """The operators that a module's methods call, by name.

    >>> import rushlight as torch
    >>> torch.jit.export_opnames(torch.jit.script(torch.nn.ReLU()))
    ['aten::relu']
    """
    from ._graph import _nodes_below

    found: set[str] = set()
    for name in m._c._methods():
        try:
            graph = m._method(name).inlined_graph
        except RuntimeError:  # of the Python class, and no TorchScript
            continue
        for node in _nodes_below(graph.block(), True):
            if node.kind().startswith("aten::"):
                schema = node.schema()
                found.add(schema.partition("(")[0] if "(" in schema[1:] else node.kind())
    return sorted(found)


@contextlib.contextmanager
def limits(seconds: float = 0, memory: int = 0) -> Iterator[None]:
    """While it is entered, scripts of this thread may take so much time and memory, for models that nobody has looked at.

    Args:
        seconds: a script is stopped at its next operator, call or turn of a loop; an operator that has begun is not. 0: no limit.
        memory: bytes, of tensors over 64 KiB and by which the process grows. 0: no limit.
    Errors: RuntimeError and torch.OutOfMemoryError from the script; ValueError for negative limits.

    >>> import rushlight as torch
    >>> @torch.jit.script
    ... def forever(n: int) -> int:
    ...     while n > 0:
    ...         n = n + 0
    ...     return n
    >>> with torch.jit.limits(seconds=0.01):
    ...     try:
    ...         forever(1)
    ...     except RuntimeError as e:
    ...         print("time limit" in str(e))
    True
    """
    from .. import _C

    _C._push_limits(seconds, memory)
    try:
        yield
    finally:
        _C._pop_limits()
