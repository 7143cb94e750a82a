"""Dropout of whole blocks of a feature map."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

__all__ = ["DropBlock2d", "DropBlock3d", "drop_block2d", "drop_block3d"]


def _drop_block(
    input: Tensor, p: float, block_size: int, inplace: bool, eps: float, training: bool, dims: int
) -> Tensor:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"drop probability has to be between 0 and 1, but got {p}.")
    if input.ndim != dims + 2:
        raise ValueError(f"input should be {dims + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    for size in input.shape[2:]:
        block_size = min(block_size, size)
    if block_size % 2 == 0:
        raise ValueError(f"block size should be odd. Got {block_size} which is even.")
    centres, whole = 1, 1  # places where a whole block fits around, and all
    sizes = [input.shape[0], input.shape[1]]
    for size in input.shape[2:]:
        sizes.append(size - block_size + 1)
        centres *= size - block_size + 1
        whole *= size
    noise = torch.empty(sizes, dtype=input.dtype, device=input.device)
    noise.bernoulli_(p * whole / (block_size**dims * centres))
    noise = F.pad(noise, [block_size // 2] * (2 * dims), value=0.0)
    if dims == 2:
        noise = 1 - F.max_pool2d(noise, block_size, 1, block_size // 2)
    else:
        noise = 1 - F.max_pool3d(noise, block_size, 1, block_size // 2)
    scale = noise.numel() / (eps + noise.sum())
    return input.mul_(noise).mul_(scale) if inplace else input * noise * scale


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """Zeroes blocks of ``(N, C, H, W)``, of ``block_size`` a side, so that about ``p`` of all values go; the rest is scaled up.

    >>> drop_block2d(torch.ones(1, 1, 4, 4), 0.0, 3).sum()
    tensor(16.)
    """
    return _drop_block(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06, training: bool = True
) -> Tensor:
    """:func:`drop_block2d` for ``(N, C, D, H, W)``."""
    return _drop_block(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(nn.Module):
    """:func:`drop_block2d` as a layer, which does nothing in eval mode."""

    _dims = 2

    def __init__(self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06):
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        return _drop_block(input, self.p, self.block_size, self.inplace, self.eps, self.training, self._dims)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, block_size={self.block_size}, inplace={self.inplace})"


class DropBlock3d(DropBlock2d):
    """:func:`drop_block3d` as a layer."""

    _dims = 3
