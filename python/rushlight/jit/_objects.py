"""Objects of script classes, as Python holds them: RecursiveScriptClass, and PyTorch's names on what a ScriptModule holds."""

from __future__ import annotations

import functools
import types
from typing import Any

from .. import _C
from ._modules import ScriptMethod
from ._types import ClassType


def _member_of_object(compiled: Any, name: str) -> Any:
    """An attribute or method of a script object, by its name."""
    if not name.startswith("__"):
        if name in compiled._kinds():
            return compiled._get(name)
        if name in compiled._methods():
            method = ScriptMethod(compiled._call, name)
            method.__dict__.update(owner=types.SimpleNamespace(_c=compiled))
            return method
        if name in (getters := _properties(compiled._class_name)[0]):
            return compiled._call(getters[name])
    raise AttributeError(f"{compiled._class_name} (a class of TorchScript) does not have a field with name '{name}'")


@functools.cache  # a class of C++ stays as it is registered
def _properties(name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Of a C++ class: {property: the method that reads it}, {property: the one that sets it}; none of any other class."""
    return _C._native_functions(name)[1:] if name.startswith("__torch__.torch.classes.") else ({}, {})


def _set_member(compiled: Any, name: str, value: Any) -> None:
    """Sets a property of an object of a C++ class; objects of other classes are set with ``setattr(name, value)``."""
    getters, setters = _properties(compiled._class_name)
    if name in setters:
        compiled._call(setters[name], value)
    elif name in getters:
        raise RuntimeError(f"can't set attribute '{name}' of {compiled._class_name}: its C++ class gives it no setter")
    else:
        object.__setattr__(compiled, name, value)


class RecursiveScriptClass:
    """An object of a class of scripts, as torch.jit.script gives it: scripts that get it change the very object.

    >>> import rushlight as torch
    >>> @torch.jit.script
    ... class Counter:
    ...     def __init__(self, n: int):
    ...         self.n = n
    ...     def add(self, k: int) -> None:
    ...         self.n += k
    >>> counter = torch.jit.script(Counter(1))
    >>> counter.add(2)
    >>> counter.n
    3
    """

    def __init__(self, compiled: Any, cls: Any = None) -> None:
        object.__setattr__(self, "_c", compiled)
        object.__setattr__(self, "_class", cls)

    def __getattr__(self, name: str) -> Any:
        known = getattr(self._class, name, None)
        return known.fget(self) if isinstance(known, property) and known.fget else _member_of_object(self._c, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._c._kinds():
            raise AttributeError(f"'{self._c._class_name}' object has no attribute '{name}'")
        self._c._set(name, value)


def _magic(name: str) -> Any:
    def called(self: RecursiveScriptClass, *args: Any) -> Any:
        if name not in self._c._methods():
            raise TypeError(f"'{self._c._class_name}' object has no method {name}")
        return self._c._call(name, *args)

    return called


for _name in (
    "add radd iadd sub mul truediv floordiv mod pow and or xor lshift rshift matmul neg abs lt le gt ge len contains getitem setitem "
    "delitem int float str bool call"
).split():
    if _name not in ("str", "bool"):
        setattr(RecursiveScriptClass, f"__{_name}__", _magic(f"__{_name}__"))


def _name_methods_of_objects() -> None:
    """PyTorch's names on what a ScriptModule holds, its ``_c``."""
    cls = _C.ScriptObject
    cls._get_method, cls._method_names = cls._method, cls._methods
    cls._has_method = lambda self, name: name in self._methods()
    cls._type = lambda self: ClassType(self._class_name)  # equal for objects that share a class
    cls.getattr, cls.setattr = cls._get, cls._set
    cls.save = lambda self, f, _extra_files=None: self._save(f, dict(_extra_files or {}))
    cls.hasattr = lambda self, name: name in self._kinds()
    cls.qualified_name = property(lambda self: self._class_name)
    cls.__getattr__, cls.__setattr__ = _member_of_object, _set_member
    cls.name = property(lambda self: self._class_name.rpartition(".")[2])


_name_methods_of_objects()
