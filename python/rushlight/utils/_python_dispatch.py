"""Modes and classes that see operators below autograd: ``__torch_dispatch__``."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from .. import _C

__all__ = ["BaseTorchDispatchMode", "TorchDispatchMode", "is_traceable_wrapper_subclass", "return_and_correct_aliasing"]


class TorchDispatchMode:
    """Sees the operators that this thread calls while it is entered, once autograd has recorded them.

    Derive from it and define ``__torch_dispatch__(self, func, types, args=(), kwargs=None)``. Composite operators come as the
    operators they are made of. A mode's own calls go to the modes around it.

    >>> import rushlight as torch
    >>> class Names(TorchDispatchMode):
    ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
    ...         print(func)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     x = torch.ones(2) + 1
    aten.ones.default
    aten.add.Tensor
    """

    def __init__(self, _dispatch_key: Any = None) -> None:
        pass

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise NotImplementedError

    def __enter__(self):
        _C._push_on_torch_dispatch_stack(self)
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        _C._pop_torch_dispatch_stack()


class BaseTorchDispatchMode(TorchDispatchMode):
    """Changes nothing."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def _get_current_dispatch_mode() -> Any:
    """The innermost mode, or None."""
    entered = _C._torch_dispatch_stack()
    return entered[-1] if entered else None


def _get_current_dispatch_mode_stack() -> list[Any]:
    """The modes that are entered, innermost last."""
    return _C._torch_dispatch_stack()


@contextlib.contextmanager
def _disable_current_modes() -> Iterator[list[Any]]:
    """Leaves all modes for a scope."""
    left = [_C._pop_torch_dispatch_stack() for _ in _C._torch_dispatch_stack()]
    try:
        yield left[::-1]
    finally:
        for mode in reversed(left):
            _C._push_on_torch_dispatch_stack(mode)


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """Whether it is an object of a class that can be taken apart and put together (``__tensor_flatten__``)."""
    return isinstance(t, rl.Tensor) and hasattr(t, "__tensor_flatten__") and hasattr(type(t), "__tensor_unflatten__")


def return_and_correct_aliasing(func: Any, args: Any, kwargs: Any, out: Any) -> Any:
    """What a handler of a wrapper class returns: of operators that write to an argument, that argument."""
    name = getattr(func, "_opname", getattr(func, "__name__", "")).split(".")[0]
    if name.endswith("_") and not name.endswith("__"):
        return args[0]
    if kwargs and "out" in kwargs:
        return kwargs["out"]
    return out


class _Overload:
    """An overload of an operator, as a handler gets it."""

    def __init__(self, name: str, overload: str) -> None:
        self._opname, self._overloadname, self.namespace = name, overload or "default", "aten"
        self.__name__ = f"{name}.{self._overloadname}"
        self._op = getattr(_C._ops, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    def name(self) -> str:
        return f"aten::{self._opname}" + ("" if self._overloadname == "default" else f".{self._overloadname}")

    def __repr__(self) -> str:
        return f"<OpOverload(op='aten.{self._opname}', overload='{self._overloadname}')>"

    def __str__(self) -> str:
        return f"aten.{self.__name__}"


# How handlers are told of operators that PyTorch doesn't have.
_SHOWN_AS = {("_clamp_both", ""): ("clamp", "Tensor"), ("_clamp_both", "Scalar"): ("clamp", "default")}


@functools.cache
def _overload_of(name: str, overload: str) -> Any:
    name, overload = _SHOWN_AS.get((name, overload), (name, overload))
    ops = getattr(rl, "ops", None)
    if ops is None:
        return _Overload(name, overload)
    namespace, _, base = name.rpartition("::")
    return getattr(getattr(getattr(ops, namespace or "aten"), base), overload or "default")


def transform_subclass(t: Any, callback: Any, outer_size: Any = None, outer_stride: Any = None) -> Any:
    """The same class around callback(name, tensor) for each tensor inside."""
    names, context = t.__tensor_flatten__()
    inside = {n: callback(n, getattr(t, n)) for n in names}
    return type(t).__tensor_unflatten__(inside, context, outer_size or t.size(), outer_stride or t.stride())
