"""``torch.classes``: the classes that C++ code registered with ``torch::class_``, by namespace and name.

>>> import rushlight as torch
>>> torch.classes.mine.Nothing()
Traceback (most recent call last):
    ...
RuntimeError: Tried to instantiate class 'mine.Nothing', but it does not exist! Ensure that it is registered via torch::class_, and that its library is loaded
"""

from __future__ import annotations

import types
import typing
from typing import Any

from . import _C
from ._ops import ops
from .jit import _objects  # noqa: F401  methods and properties of the objects

__all__ = ["load_library", "loaded_libraries", "restored"]
loaded_libraries = ops.loaded_libraries  # the set of all paths
_PREFIX = "__torch__.torch.classes."


class NativeClass:
    """A class of C++: called, it makes an object, a ScriptObject; its static methods are attributes. In annotations of scripts it is a type."""

    def __init__(self, full_name: str, statics: dict[str, Any]) -> None:
        self._native_class = full_name
        self.__name__ = full_name.rpartition(".")[2]
        self.__dict__.update(statics)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = _C._native_object(self._native_class)
        if "__init__" not in made._methods():
            raise RuntimeError(
                f"Cannot instantiate class '{self._native_class.removeprefix(_PREFIX)}': its C++ code registers no constructor; add "
                ".def(torch::init<...>()) to its torch::class_"
            )
        made._call("__init__", *args, **kwargs)
        return made

    def __repr__(self) -> str:
        return f"<torch.classes.{self._native_class.removeprefix(_PREFIX)}>"

    def __or__(self, other: Any) -> Any:
        return typing.Union.__getitem__((self, other))


class Namespace(types.ModuleType):
    """The classes of one namespace."""

    def __getattr__(self, name: str) -> NativeClass:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{_PREFIX}{self.__name__.removeprefix('torch.classes.')}.{name}"
        made = NativeClass(full, _C._native_functions(full)[0])
        setattr(self, name, made)
        return made


def restored(name: str, state: Any) -> Any:
    """An object of a C++ class from what its ``__getstate__`` gave, as pickles have it."""
    made = _C._native_object(name)
    made._call("__setstate__", state)
    return made


def load_library(path: str) -> None:
    """Loads a shared library whose code registers classes or operators: ``torch.ops.load_library``."""
    ops.load_library(path)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module 'torch.classes' has no attribute '{name}'")
    made = globals()[name] = Namespace(f"torch.classes.{name}")
    return made
