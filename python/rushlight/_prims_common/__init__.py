"""Helpers about dtypes and shapes that programs take from torch._prims_common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _missing

__all__ = [
    "alert_not_deterministic",
    "is_boolean_dtype",
    "is_complex_dtype",
    "is_float_dtype",
    "is_integer_dtype",
    "make_contiguous_strides_for",
]


def alert_not_deterministic(caller: str) -> None:
    """Nothing: every kernel gives the same bits on every run."""


def is_float_dtype(dtype: Any) -> bool:
    """Whether it is a real floating point dtype."""
    return dtype.is_floating_point


def is_complex_dtype(dtype: Any) -> bool:
    """Whether it is a complex dtype."""
    return dtype.is_complex


def is_boolean_dtype(dtype: Any) -> bool:
    """Whether it is torch.bool."""
    return str(dtype) == "torch.bool"


def is_integer_dtype(dtype: Any) -> bool:
    """Whether it is an integer dtype; bool is not."""
    return not (dtype.is_floating_point or dtype.is_complex or is_boolean_dtype(dtype))


def is_contiguous_or_false(a: Any, **options: Any) -> bool:
    """Whether the tensor is contiguous."""
    return a.is_contiguous(**options)


def make_contiguous_strides_for(shape: Sequence[int], row_major: bool = True) -> tuple[int, ...]:
    """The strides of a contiguous tensor of that shape; with row_major=False, of one whose matrices are stored by columns."""
    shape = tuple(shape)
    strides = tuple(math.prod(max(n, 1) for n in shape[i + 1 :]) for i in range(len(shape)))
    if row_major or len(shape) < 2:
        return strides
    return (*strides[:-2], 1, max(shape[-2], 1))


__getattr__ = _missing.getattr_of(__name__)
