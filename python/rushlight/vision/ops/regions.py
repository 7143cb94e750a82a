"""Features of regions: roi_align, roi_pool and their position-sensitive kin, as functions and as layers."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.jit.annotations import BroadcastingList2

__all__ = ["PSRoIAlign", "PSRoIPool", "RoIAlign", "RoIPool", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool"]


def _rois_of(boxes: list[Tensor]) -> Tensor:
    """``(K, 5)`` from the boxes ``(L, 4)`` of each image: its number stands in front of each box."""
    parts: list[Tensor] = []
    for i, b in enumerate(boxes):
        if b.dim() != 2 or b.size(1) != 4:
            raise ValueError(
                f"The shape of the tensor in the boxes list is not correct as list[Tensor[L, 4]], got {list(b.shape)}"
            )
        parts.append(torch.cat((torch.full_like(b[:, :1], i), b), dim=1))
    return torch.cat(parts, dim=0)


def _rois(boxes: Tensor | list[Tensor]) -> Tensor:
    """``(K, 5)``: the image in front of each box. A list has the boxes of each image."""
    if isinstance(boxes, Tensor):
        if boxes.dim() != 2 or boxes.size(1) != 5:
            raise ValueError(f"The boxes tensor shape is not correct as Tensor[K, 5], got {list(boxes.shape)}")
        return boxes
    return _rois_of(boxes)


def _pair(size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[-1]))


def roi_align(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: BroadcastingList2[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Means of bilinear samples in the bins of each region: ``(N, C, H, W), (K, 5) -> (K, C, *output_size)``.

    Args:
        boxes: ``(K, 5)`` as (image, x1, y1, x2, y2), or a list with the boxes ``(L, 4)`` of each image.
        spatial_scale: from the boxes' coordinates to those of the input.
        sampling_ratio: samples along each side of a bin; without it one for each pixel.
        aligned: pixels lie at half coordinates, as they should.

    >>> x = torch.arange(16.0).view(1, 1, 4, 4)
    >>> roi_align(x, [torch.tensor([[0.0, 0, 4, 4]])], 2, aligned=True)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    height, width = output_size if torch.jit.is_scripting() else _pair(output_size)
    return torch.ops.torchvision.roi_align(input, _rois(boxes), spatial_scale, height, width, sampling_ratio, aligned)


def roi_pool(
    input: Tensor, boxes: Tensor | list[Tensor], output_size: BroadcastingList2[int], spatial_scale: float = 1.0
) -> Tensor:
    """The largest value in each bin of each region; see :func:`roi_align`."""
    height, width = output_size if torch.jit.is_scripting() else _pair(output_size)
    return torch.ops.torchvision.roi_pool(input, _rois(boxes), spatial_scale, height, width)[0]


def ps_roi_align(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: BroadcastingList2[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """:func:`roi_align` where each bin reads channels of its own: ``C`` channels become ``C / (height * width)``."""
    height, width = output_size if torch.jit.is_scripting() else _pair(output_size)
    return torch.ops.torchvision.ps_roi_align(input, _rois(boxes), spatial_scale, height, width, sampling_ratio)[0]


def ps_roi_pool(
    input: Tensor, boxes: Tensor | list[Tensor], output_size: BroadcastingList2[int], spatial_scale: float = 1.0
) -> Tensor:
    """Means of bins that read channels of their own; see :func:`ps_roi_align`."""
    height, width = output_size if torch.jit.is_scripting() else _pair(output_size)
    return torch.ops.torchvision.ps_roi_pool(input, _rois(boxes), spatial_scale, height, width)[0]


class _Layer(nn.Module):
    """A function on regions whose options are fixed."""

    def __repr__(self) -> str:
        shown = [n for n in ("output_size", "spatial_scale", "sampling_ratio", "aligned") if hasattr(self, n)]
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)}' for n in shown)})"


class RoIAlign(_Layer):
    """:func:`roi_align` as a layer."""

    def __init__(
        self, output_size: BroadcastingList2[int], spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ):
        super().__init__()
        self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned = (
            output_size,
            spatial_scale,
            sampling_ratio,
            aligned,
        )

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)


class RoIPool(_Layer):
    """:func:`roi_pool` as a layer."""

    def __init__(self, output_size: BroadcastingList2[int], spatial_scale: float):
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)


class PSRoIAlign(_Layer):
    """:func:`ps_roi_align` as a layer."""

    def __init__(self, output_size: BroadcastingList2[int], spatial_scale: float, sampling_ratio: int):
        super().__init__()
        self.output_size, self.spatial_scale, self.sampling_ratio = output_size, spatial_scale, sampling_ratio

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)


class PSRoIPool(_Layer):
    """:func:`ps_roi_pool` as a layer."""

    def __init__(self, output_size: BroadcastingList2[int], spatial_scale: float):
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)
