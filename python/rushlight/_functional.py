"""Functions of rushlight that are written over operators, in Python."""

from __future__ import annotations

from ._C import Tensor

__all__ = ["is_nonzero", "is_same_size"]


def is_nonzero(input: Tensor) -> bool:
    if input.numel() != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {'more than one value' if input.numel() else 'no values'} is ambiguous"
        )
    return bool(input)


def is_same_size(input: Tensor, other: Tensor) -> bool:
    return input.shape == other.shape
