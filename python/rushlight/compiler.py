"""What programs tell a compiler; there is none, so marks change nothing and questions are answered with no."""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Callable
from typing import Any

from ._compile import compile

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "nested_compile_region", "reset", "set_stance", "substitute_in_graph",
    "wrap_numpy",
]  # fmt: skip


def is_compiling() -> bool:
    """Whether the code is being compiled: never."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def _mark(fn: Any) -> Any:
    """The function, as it is."""
    return fn


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function, as it is; without one, a decorator or context that changes nothing."""
    return fn if fn is not None else _Region()


class _Region(contextlib.nullcontext):
    def __call__(self, fn: Any) -> Any:
        return fn


allow_in_graph = assume_constant_result = nested_compile_region = disallow_in_graph = forbid_in_graph = _mark


def substitute_in_graph(original_fn: Any, **_: Any) -> Callable:
    """A decorator that changes nothing."""
    return _mark


def set_stance(stance: str = "default", **_: Any) -> Any:
    """A decorator, context or call that changes nothing."""
    return _Region()


def reset() -> None:
    """Nothing is kept."""


def cudagraph_mark_step_begin() -> None:
    """Nothing is recorded."""


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """The names of what compile() can do: run the program as it is."""
    return sorted({"eager", *_registered})


_registered: dict[str, Any] = {}  # what programs named themselves


def register_backend(compiler_fn: Any = None, name: str | None = None, tags: Any = ()) -> Any:
    """Has compile() take a backend's name; programs run as they are with it. A decorator without a function."""
    if compiler_fn is None:
        return functools.partial(register_backend, name=name, tags=tags)
    _registered[name or compiler_fn.__name__] = compiler_fn
    return compiler_fn


def known_backends() -> set[str]:
    """Names beside PyTorch's own: those that were registered, and those of installed packages."""
    from importlib.metadata import entry_points

    return {*_registered, *(e.name for e in entry_points(group="torch_dynamo_backends"))}


def wrap_numpy(fn: Callable) -> Callable:
    """A function of numpy arrays as one of tensors."""
    import numpy

    from . import Tensor, from_numpy
    from .utils._pytree import tree_map

    @functools.wraps(fn)
    def inside(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree_map(lambda v: v.numpy() if isinstance(v, Tensor) else v, (args, kwargs))
        return tree_map(lambda v: from_numpy(v) if isinstance(v, numpy.ndarray) else v, fn(*args, **kwargs))

    return inside


class Switches(types.ModuleType):
    """Settings of a compiler: any can be set, read back and patched for a while; they change nothing. Unset ones are False."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("triton", "cpp", "cuda"):
            self.__dict__[name] = Switches(f"{self.__name__}.{name}")
            return self.__dict__[name]
        return False

    def patch(self, changes: Any = None, value: Any = None, **more: Any) -> Any:
        """A context, or decorator, in which these settings are others."""
        changes = {changes: value} if isinstance(changes, str) else {**(changes or {}), **more}
        return _Patched(self, changes)


class _Patched(contextlib.ContextDecorator):
    def __init__(self, switches: Switches, changes: dict) -> None:
        self.switches, self.changes = switches, changes

    def __enter__(self) -> None:
        self.before = {name: self.switches.__dict__.get(name) for name in self.changes}
        self.switches.__dict__.update(self.changes)

    def __exit__(self, *exception: Any) -> None:
        for name, value in self.before.items():
            if value is None:
                del self.switches.__dict__[name]
            else:
                self.switches.__dict__[name] = value


config = Switches(f"{__name__}.config")
