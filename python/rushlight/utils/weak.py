"""Weak references to tensors, and dictionaries whose keys count by identity: a tensor's `==` answers elementwise."""

from __future__ import annotations

import collections.abc
import weakref
from collections.abc import Iterator
from typing import Any

import rushlight as rl

__all__ = [
    "TensorWeakRef",
    "WeakIdKeyDictionary",
    "WeakIdRef",
    "WeakRef",
    "WeakTensorKeyDictionary",
    "WeakTensorRefKey",
]

WeakRef = weakref.ref


class WeakIdRef(weakref.ref):
    """A weak reference that hashes and compares by which object it is, also when that is gone.

    >>> import rushlight as torch
    >>> x = torch.zeros(2)
    >>> WeakIdRef(x) == WeakIdRef(x), WeakIdRef(x) == WeakIdRef(torch.zeros(2))
    (True, False)
    """

    __slots__ = ("_id",)

    def __init__(self, key: Any, callback: Any = None):
        self._id = id(key)
        super().__init__(key, callback)

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        mine = self()
        theirs = other() if isinstance(other, WeakIdRef) else None
        return mine is theirs if mine is not None and theirs is not None else self is other


WeakTensorRefKey = WeakIdRef


class _WeakHashRef(weakref.ref):
    """A weak reference that compares by what `==` says of the objects while both are there, and by which it is after that."""

    __slots__ = ("_id",)

    def __init__(self, key: Any, callback: Any = None):
        self._id = hash(key)
        super().__init__(key, callback)

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        mine, theirs = self(), other() if isinstance(other, weakref.ref) else None
        return hash(mine) == hash(theirs) if mine is not None and theirs is not None else self is other


class TensorWeakRef:
    """A weak reference to a tensor: called, it gives the tensor, or None when that is gone."""

    def __init__(self, tensor: rl.Tensor):
        if not isinstance(tensor, rl.Tensor):
            raise TypeError(f"TensorWeakRef: expected a Tensor, got {type(tensor).__name__}")
        self.ref = weakref.ref(tensor)

    def __call__(self) -> rl.Tensor | None:
        return self.ref()


class WeakIdKeyDictionary(collections.abc.MutableMapping):
    """A dictionary that keeps its keys weakly and tells them apart by identity.

    >>> import rushlight as torch
    >>> x, seen = torch.zeros(2), WeakIdKeyDictionary()
    >>> seen[x] = 1
    >>> seen[x], torch.zeros(2) in seen
    (1, False)
    >>> del x
    >>> len(seen)
    0
    """

    def __init__(self, dict: Any = None, ref_type: type = WeakIdRef):
        self.data: dict[Any, Any] = {}
        self.ref_type = ref_type
        # What is called when a key goes must not keep the dictionary.
        mine = weakref.ref(self)

        def gone(key: Any) -> None:
            if (here := mine()) is not None:
                here.data.pop(key, None)

        self._gone = gone
        if dict is not None:
            self.update(dict)

    def __getitem__(self, key: Any) -> Any:
        return self.data[self.ref_type(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[self.ref_type(key, self._gone)] = value

    def __delitem__(self, key: Any) -> None:
        del self.data[self.ref_type(key)]

    def __contains__(self, key: Any) -> bool:
        try:
            return self.ref_type(key) in self.data
        except TypeError:  # of a type without weak references
            return False

    def __iter__(self) -> Iterator:
        for ref in list(self.data):
            if (key := ref()) is not None:
                yield key

    def __len__(self) -> int:
        return sum(ref() is not None for ref in list(self.data))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}>"

    def copy(self) -> WeakIdKeyDictionary:
        made = WeakIdKeyDictionary(ref_type=self.ref_type)
        made.update(self)
        return made

    __copy__ = copy

    def __deepcopy__(self, memo: dict) -> WeakIdKeyDictionary:
        from copy import deepcopy

        made = type(self)()
        for key, value in self.items():
            made[key] = deepcopy(value, memo)
        return made

    def keyrefs(self) -> list:
        return list(self.data)

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, collections.abc.Mapping):
            return NotImplemented
        made = self.copy()
        made.update(other)
        return made

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, collections.abc.Mapping):
            return NotImplemented
        return {id(k): v for k, v in self.items()} == {id(k): v for k, v in other.items()}


WeakTensorKeyDictionary = WeakIdKeyDictionary
