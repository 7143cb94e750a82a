"""ScriptList and ScriptDict: lists and dicts that scripts and Python share."""

from __future__ import annotations

import collections.abc
import functools
from collections.abc import Iterable, Iterator
from typing import Any

from .. import _C
from ._resolver import _type_of

_LIST = """
def at(c: {kind}, i: int) -> {item}:
    return c[i]
def put(c: {kind}, i: int, v: {item}) -> None:
    c[i] = v
def insert(c: {kind}, i: int, v: {item}) -> None:
    c.insert(i, v)
def drop(c: {kind}, i: int) -> None:
    del c[i]
def size(c: {kind}) -> int:
    return len(c)
"""
_DICT = """
def at(c: {kind}, k: {key}) -> {item}:
    return c[k]
def put(c: {kind}, k: {key}, v: {item}) -> None:
    c[k] = v
def has(c: {kind}, k: {key}) -> bool:
    return k in c
def drop(c: {kind}, k: {key}) -> None:
    del c[k]
def size(c: {kind}) -> int:
    return len(c)
"""


@functools.cache
def _operations(kind: str) -> Any:
    """What is done to a container of a type, compiled."""
    from ._unit import CompilationUnit

    if kind.startswith("List["):
        return CompilationUnit(_LIST.format(kind=kind, item=kind[5:-1]))
    key, _, item = kind[5:-1].partition(", ")  # no key's type has a comma
    return CompilationUnit(_DICT.format(kind=kind, key=key, item=item))


class _Shared:
    """Holds a container of the script's; ``_do`` calls one of its operations."""

    def __init__(self, value: Any, hint: Any = None) -> None:
        spec = "" if hint is None else _type_of(hint)
        if spec is None:
            raise TypeError(f"{hint} is no type of TorchScript")
        self._c, self._kind = _C._box(value, spec)

    @classmethod
    def _of(cls, value: Any, hint: Any) -> Any:
        try:
            return cls(value, hint)
        except TypeError as error:
            raise RuntimeError(f"jit.script: no {cls.__name__} can be made of this: {error}") from None

    def _do(self, name: str, *args: Any) -> Any:
        try:
            return getattr(_operations(self._kind), name)(self, *args)
        except IndexError as error:  # Python's own, as a list's
            raise IndexError(str(error)) from None
        except RuntimeError as error:
            if "Expected a value of type" in str(error):
                raise TypeError(str(error)) from None
            raise

    def __len__(self) -> int:
        return self._do("size")

    def _copy(self) -> Any:
        return _C._unbox(self._c)

    def __repr__(self) -> str:
        return repr(self._copy())

    def __eq__(self, other: object) -> bool:
        return self._copy() == (other._copy() if isinstance(other, _Shared) else other)

    __hash__ = None  # type: ignore[assignment]


class ScriptList(_Shared, collections.abc.MutableSequence):
    """A list that scripts change in place, as torch.jit.script of a list gives it.

    >>> import rushlight as torch
    >>> @torch.jit.script
    ... def add(items: list[int]) -> None:
    ...     items.append(3)
    >>> shared = torch.jit.script([1, 2])
    >>> add(shared)
    >>> shared
    [1, 2, 3]
    """

    def __getitem__(self, at: Any) -> Any:
        return ScriptList(self._copy()[at]) if isinstance(at, slice) else self._do("at", at)

    def __setitem__(self, at: Any, value: Any) -> None:
        if not isinstance(at, slice):
            return self._do("put", at, value)
        places, values = range(len(self))[at], list(value)
        if len(places) != len(values):
            raise ValueError(
                f"attempt to assign sequence of size {len(values)} to extended slice of size {len(places)}"
            )
        for i, v in zip(places, values, strict=True):
            self._do("put", i, v)

    def __delitem__(self, at: Any) -> None:
        for i in sorted(range(len(self))[at], reverse=True) if isinstance(at, slice) else (at,):
            self._do("drop", i)

    def insert(self, at: int, value: Any) -> None:
        """Puts a value before a place."""
        self._do("insert", at, value)

    def _checked(self, value: Any) -> Any:
        item = self._kind[5:-1]
        if not _C._has_type(value, item):
            raise TypeError(f"expected a value of type '{item}', got {type(value).__name__}")
        return value

    def __contains__(self, value: Any) -> bool:
        return self._checked(value) in self._copy()

    def count(self, value: Any) -> int:
        """How many items are equal to a value."""
        return self._copy().count(self._checked(value))

    def remove(self, value: Any) -> None:
        """Drops the first item that is equal to a value."""
        self._do("drop", self._copy().index(self._checked(value)))

    def extend(self, values: Iterable[Any]) -> None:
        """Adds values at the end: all, or none where one is of another type."""
        for v in [self._checked(v) for v in values]:
            self.append(v)

    def sort(self, reverse: bool = False) -> None:
        """Brings the items in order."""
        for i, v in enumerate(sorted(self._copy(), reverse=reverse)):
            self._do("put", i, v)


class ScriptDict(_Shared, collections.abc.MutableMapping):
    """A dict that scripts change in place, as torch.jit.script of a dict gives it."""

    def __contains__(self, key: Any) -> bool:
        try:
            return self._do("has", key)
        except TypeError as error:
            raise KeyError(str(error)) from None

    def __getitem__(self, key: Any) -> Any:
        if key not in self:
            raise KeyError(key)
        return self._do("at", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._do("put", key, value)

    def __delitem__(self, key: Any) -> None:
        if not self._do("has", key):
            raise KeyError(key)
        self._do("drop", key)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._copy())
