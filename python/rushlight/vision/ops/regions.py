"""Features of regions: roi_align, roi_pool and their position-sensitive kin, as functions and as layers."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor, nn

__all__ = ["PSRoIAlign", "PSRoIPool", "RoIAlign", "RoIPool", "ps_roi_align", "ps_roi_pool", "roi_align", "roi_pool"]


def _rois(boxes: Tensor | list[Tensor]) -> Tensor:
    """``(K, 5)``: the image in front of each box. A list has the boxes of each image."""
    if isinstance(boxes, Tensor):
        if boxes.dim() != 2 or boxes.size(1) != 5:
            raise ValueError(f"The boxes tensor shape is not correct as Tensor[K, 5], got {tuple(boxes.shape)}")
        return boxes
    if not isinstance(boxes, (list, tuple)):
        raise TypeError(f"boxes is expected to be a Tensor[L, 5] or a List[Tensor[K, 4]], got {type(boxes)}")
    for b in boxes:
        if b.dim() != 2 or b.size(1) != 4:
            raise ValueError(
                f"The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]], got {tuple(b.shape)}"
            )
    return torch.cat([torch.cat((torch.full_like(b[:, :1], i), b), dim=1) for i, b in enumerate(boxes)], dim=0)


def _pair(size) -> tuple:
    return (size, size) if isinstance(size, int) else tuple(size)


def roi_align(
    input: Tensor, boxes, output_size, spatial_scale: float = 1.0, sampling_ratio: int = -1, aligned: bool = False
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
    height, width = _pair(output_size)
    return torch.ops.torchvision.roi_align(input, _rois(boxes), spatial_scale, height, width, sampling_ratio, aligned)


def roi_pool(input: Tensor, boxes, output_size, spatial_scale: float = 1.0) -> Tensor:
    """The largest value in each bin of each region; see :func:`roi_align`."""
    height, width = _pair(output_size)
    return torch.ops.torchvision.roi_pool(input, _rois(boxes), spatial_scale, height, width)[0]


def ps_roi_align(input: Tensor, boxes, output_size, spatial_scale: float = 1.0, sampling_ratio: int = -1) -> Tensor:
    """:func:`roi_align` where each bin reads channels of its own: ``C`` channels become ``C / (height * width)``."""
    height, width = _pair(output_size)
    return torch.ops.torchvision.ps_roi_align(input, _rois(boxes), spatial_scale, height, width, sampling_ratio)[0]


def ps_roi_pool(input: Tensor, boxes, output_size, spatial_scale: float = 1.0) -> Tensor:
    """Means of bins that read channels of their own; see :func:`ps_roi_align`."""
    height, width = _pair(output_size)
    return torch.ops.torchvision.ps_roi_pool(input, _rois(boxes), spatial_scale, height, width)[0]


class _Layer(nn.Module):
    """A function on regions whose options are fixed: those of `_options`, in order."""

    _options: tuple = ("output_size", "spatial_scale")

    def __init__(self, *args, **kwargs):
        super().__init__()
        if len(args) > len(self._options):
            raise TypeError(f"{type(self).__name__} takes {self._options}, got {len(args)} arguments")
        given = dict(zip(self._options, args), **kwargs)
        if unknown := set(given) - set(self._options):
            raise TypeError(
                f"{type(self).__name__} got unexpected arguments {sorted(unknown)}; it takes {self._options}"
            )
        missing = [o for o in self._options if o not in given and o != "aligned"]
        if missing:
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")
        for name in self._options:
            setattr(self, name, given.get(name, False))

    def forward(self, input: Tensor, rois) -> Tensor:
        return type(self)._function(input, rois, **{name: getattr(self, name) for name in self._options})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)}' for n in self._options)})"


class RoIAlign(_Layer):
    """:func:`roi_align` as a layer: ``RoIAlign(output_size, spatial_scale, sampling_ratio, aligned=False)``."""

    _options = ("output_size", "spatial_scale", "sampling_ratio", "aligned")
    _function = staticmethod(roi_align)


class RoIPool(_Layer):
    """:func:`roi_pool` as a layer: ``RoIPool(output_size, spatial_scale)``."""

    _function = staticmethod(roi_pool)


class PSRoIAlign(_Layer):
    """:func:`ps_roi_align` as a layer: ``PSRoIAlign(output_size, spatial_scale, sampling_ratio)``."""

    _options = ("output_size", "spatial_scale", "sampling_ratio")
    _function = staticmethod(ps_roi_align)


class PSRoIPool(_Layer):
    """:func:`ps_roi_pool` as a layer: ``PSRoIPool(output_size, spatial_scale)``."""

    _function = staticmethod(ps_roi_pool)
