"""Types of tensors by their sizes, each of which may be unknown: `TensorType((2, 3, Dyn))`."""

from __future__ import annotations

from typing import Any

__all__ = ["Dyn", "TensorType", "is_consistent", "is_more_precise"]


class TensorType:
    """A tensor of these sizes; one that is `Dyn` may be any.

    >>> from rushlight.fx.tensor_type import Dyn, TensorType, is_consistent
    >>> is_consistent(TensorType((2, Dyn)), TensorType((2, 3)))
    True
    """

    def __init__(self, dim: Any):
        self.__origin__ = TensorType
        self.__args__ = dim

    def __repr__(self) -> str:
        return f"TensorType[{self.__args__}]"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorType) and list(self.__args__) == list(other.__args__)

    def __hash__(self) -> int:
        return hash(tuple(self.__args__))

    @classmethod
    def __class_getitem__(cls, sizes: Any) -> TensorType:
        return cls(sizes if isinstance(sizes, tuple) else (sizes,))


class _DynType:
    """What nothing is known of."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _DynType)

    def __hash__(self) -> int:
        return hash(_DynType)

    def __str__(self) -> str:
        return "Dyn"

    __repr__ = __str__


Dyn = _DynType()


def _holds(t1: object, t2: object, of_each: Any, when_unknown: bool) -> bool:
    if isinstance(t1, TensorType) and isinstance(t2, TensorType):
        return len(t1.__args__) == len(t2.__args__) and all(map(of_each, t1.__args__, t2.__args__))
    return when_unknown or t1 == t2


def is_consistent(t1: object, t2: object) -> bool:
    """Whether a value may be of both types."""
    return _holds(t1, t2, is_consistent, t1 == Dyn or t2 == Dyn)


def is_more_precise(t1: object, t2: object) -> bool:
    """Whether the first says all that the second does."""
    return _holds(t1, t2, is_more_precise, t2 == Dyn)
