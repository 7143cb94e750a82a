"""Making MaskedTensors."""

from __future__ import annotations

from typing import Any

from .core import MaskedTensor, _check, _Given

__all__ = ["as_masked_tensor", "masked_tensor"]


def masked_tensor(data: Any, mask: Any, requires_grad: bool = False) -> MaskedTensor:
    """A MaskedTensor of the data, a leaf of the graph of gradients.

    >>> import rushlight as torch
    >>> masked_tensor(torch.tensor([1.0, 2.0]), torch.tensor([False, True])).sum()
    MaskedTensor(  2.0000, True)
    """
    return MaskedTensor(data, mask, requires_grad)


def as_masked_tensor(data: Any, mask: Any) -> MaskedTensor:
    """A MaskedTensor of the data, to which gradients flow.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> as_masked_tensor(x, torch.tensor([False, True])).sum().backward()
    >>> x.grad
    MaskedTensor(
      [      --,   1.0000]
    )
    """
    _check(data, mask)
    return _Given.apply(data, mask)
