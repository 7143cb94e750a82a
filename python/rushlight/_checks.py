"""torch._check and its kin: errors of a type unless something is true."""

from __future__ import annotations

from typing import Any

import rushlight
from rushlight import Tensor, _check


def _check_index(cond: bool, message: Any = None) -> None:
    """torch._check that raises IndexError."""
    _check(cond, message, _error=IndexError)


def _check_value(cond: bool, message: Any = None) -> None:
    """torch._check that raises ValueError."""
    _check(cond, message, _error=ValueError)


def _check_type(cond: bool, message: Any = None) -> None:
    """torch._check that raises TypeError."""
    _check(cond, message, _error=TypeError)


def _check_not_implemented(cond: bool, message: Any = None) -> None:
    """torch._check that raises NotImplementedError."""
    _check(cond, message, _error=NotImplementedError)


def _check_tensor_all(cond: Tensor, message: Any = None) -> None:
    """Raises RuntimeError unless all of a tensor of bools are true."""
    if not isinstance(cond, Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype is not rushlight.bool:
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check(bool(cond.all()), message)
