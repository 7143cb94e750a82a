"""The old name of a tensor that takes part in gradients."""

from __future__ import annotations

from typing import Any

from .._C import Tensor

__all__ = ["Variable"]


class _VariableType(type):
    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)


class Variable(metaclass=_VariableType):
    """``Variable(t)`` is ``t``, as it has been since tensors and variables became one."""

    def __new__(cls, data: Any, requires_grad: bool = False, volatile: bool = False) -> Any:
        out = data.detach() if isinstance(data, Tensor) else Tensor(data)
        return out.requires_grad_() if requires_grad else out
