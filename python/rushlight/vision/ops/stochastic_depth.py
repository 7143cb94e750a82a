"""Residual branches that are left out at random."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn

__all__ = ["StochasticDepth", "stochastic_depth"]


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Zeroes the whole input with probability ``p`` (mode "batch"), or each of its rows ("row"); what remains is scaled up.

    >>> stochastic_depth(torch.ones(2, 2), 0.5, "row", training=False).sum()
    tensor(4.)
    """
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ["batch", "row"]:
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    rest = [1] * (input.ndim - 1)
    noise = torch.empty([input.shape[0] if mode == "row" else 1] + rest, dtype=input.dtype, device=input.device)
    noise = noise.bernoulli_(1.0 - p)
    if p < 1.0:
        noise.div_(1.0 - p)
    return input * noise


class StochasticDepth(nn.Module):
    """:func:`stochastic_depth` as a layer, which does nothing in eval mode."""

    def __init__(self, p: float, mode: str):
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
