"""Arithmetic as modules, which quantisation would watch; it computes in floating point."""

from __future__ import annotations

import rushlight

from .... import _missing
from ....nn import Identity, Module

__all__ = ["FloatFunctional"]


class FloatFunctional(Module):
    """add, mul, cat, ... as methods of a module: results pass through ``activation_post_process``, where an observer would be.

    >>> torch.nn.quantized.FloatFunctional().add(torch.ones(1), torch.ones(1))
    tensor([2.])
    """

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process = Identity()

    def forward(self, x):
        raise RuntimeError("FloatFunctional is not intended to use the 'forward'. Please use the underlying operation")

    def add(self, x, y):
        """x + y."""
        return self.activation_post_process(rushlight.add(x, y))

    def add_scalar(self, x, y):
        """x + a number."""
        return rushlight.add(x, y)

    def mul(self, x, y):
        """x * y."""
        return self.activation_post_process(rushlight.mul(x, y))

    def mul_scalar(self, x, y):
        """x * a number."""
        return rushlight.mul(x, y)

    def cat(self, x, dim: int = 0):
        """torch.cat."""
        return self.activation_post_process(rushlight.cat(x, dim=dim))

    def add_relu(self, x, y):
        """relu(x + y)."""
        return self.activation_post_process(rushlight.relu(rushlight.add(x, y)))

    def matmul(self, x, y):
        """x @ y."""
        return self.activation_post_process(rushlight.matmul(x, y))


__getattr__ = _missing.getattr_of(__name__)
