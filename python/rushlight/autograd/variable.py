"""The old name of a tensor that takes part in gradients."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor

__all__ = ["Variable"]


class _Engine:
    """What programs use of PyTorch's engine."""

    @staticmethod
    def queue_callback(callback: Any) -> None:
        """Calls ``callback()`` when the backward pass that goes on has ended."""
        _C._queue_callback(callback)


class _VariableType(type):
    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)


class Variable(metaclass=_VariableType):
    """``Variable(t)`` is ``t``, as it has been since tensors and variables became one."""

    _execution_engine = _Engine()

    def __new__(cls, data: Any, requires_grad: bool = False, volatile: bool = False) -> Any:
        out = data.detach() if isinstance(data, Tensor) else Tensor(data)
        return out.requires_grad_() if requires_grad else out
