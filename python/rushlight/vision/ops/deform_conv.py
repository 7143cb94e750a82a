"""Convolutions whose taps lie at learned offsets."""

from __future__ import annotations

import math

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.jit.annotations import BroadcastingList2
from rushlight.nn.modules.utils import _pair

__all__ = ["DeformConv2d", "deform_conv2d"]


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: BroadcastingList2[int] = (1, 1),
    padding: BroadcastingList2[int] = (0, 0),
    dilation: BroadcastingList2[int] = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """conv2d with an offset (y, x) for each tap at each place, and with ``mask`` a weight too (version 2).

    Args:
        input: ``(N, C, H, W)``. weight: ``(O, C / groups, kh, kw)``.
        offset: ``(N, 2 * offset_groups * kh * kw, OH, OW)``.
        mask: ``(N, offset_groups * kh * kw, OH, OW)``.

    >>> x, w = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    >>> deform_conv2d(x, torch.zeros(1, 18, 1, 1), w)
    tensor([[[[9.]]]])
    """
    out_channels, in_per_group, kernel_h, kernel_w = weight.shape
    if not torch.jit.is_scripting():
        stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    stride_h, stride_w = stride
    pad_h, pad_w = padding
    dilation_h, dilation_w = dilation
    offset_groups = offset.shape[1] // (2 * kernel_h * kernel_w)
    if offset_groups == 0:
        raise RuntimeError(
            "the shape of the offset tensor at dimension 1 is not valid. It should be a multiple of 2 * weight.size[2] * "
            f"weight.size[3].\nGot offset.shape[1]={offset.shape[1]}, while 2 * weight.size[2] * weight.size[3]={2 * kernel_h * kernel_w}"
        )
    return torch.ops.torchvision.deform_conv2d(
        input, weight, offset,
        torch.zeros((input.shape[0], 1), device=input.device, dtype=input.dtype) if mask is None else mask,
        torch.zeros(out_channels, device=input.device, dtype=input.dtype) if bias is None else bias,
        stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, input.shape[1] // in_per_group, offset_groups, mask is not None,
    )  # fmt: skip


class DeformConv2d(nn.Module):
    """:func:`deform_conv2d` with weights of its own; offsets, and a mask, are given with the input.

    >>> layer = DeformConv2d(4, 6, 3, padding=1)
    >>> layer(torch.ones(1, 4, 5, 5), torch.zeros(1, 18, 5, 5)).shape
    torch.Size([1, 6, 5, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups: int = 1,
        bias: bool = True,
    ):
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"in_channels and out_channels must be divisible by groups, got {in_channels}, {out_channels} and {groups}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = _pair(kernel_size), _pair(stride)
        self.padding, self.dilation = _pair(padding), _pair(dilation)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask)

    def extra_repr(self) -> str:
        said = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, usual in (("padding", (0, 0)), ("dilation", (1, 1)), ("groups", 1)):
            said += f", {name}={getattr(self, name)}" if getattr(self, name) != usual else ""
        return said + ("" if self.bias is not None else ", bias=False")
