"""roi_align on a feature pyramid: each box reads the level that fits its size."""

from __future__ import annotations

import math

import rushlight as torch
from rushlight import Tensor, nn

from .boxes import box_area
from .regions import _pair, _rois_of, roi_align

__all__ = ["MultiScaleRoIAlign"]


class MultiScaleRoIAlign(nn.Module):
    """Features of boxes from a dict of maps.

    Args:
        featmap_names: which maps of the dict are read, the finest first.
        output_size, sampling_ratio: as of :func:`roi_align`.
        canonical_scale, canonical_level: boxes of that side (224) read that level (4), of half the side the one below.

    >>> pool = MultiScaleRoIAlign(["a", "b"], 2, 2)
    >>> maps = {"a": torch.ones(1, 3, 16, 16), "b": torch.ones(1, 3, 8, 8)}
    >>> pool(maps, [torch.tensor([[0.0, 0, 20, 20]])], [(64, 64)]).shape
    torch.Size([1, 3, 2, 2])
    """

    _exponents: list[int]

    def __init__(
        self,
        featmap_names: list[str],
        output_size,
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ):
        super().__init__()
        self.featmap_names, self.sampling_ratio, self.output_size = featmap_names, sampling_ratio, _pair(output_size)
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level
        self._exponents: list[int] = []  # level i is 2**-exponent of the image; of the first images seen

    def _levels(self, boxes: list[Tensor]) -> Tensor:
        side = torch.sqrt(torch.cat([box_area(b) for b in boxes]))
        level = torch.floor(self.canonical_level + torch.log2(side / self.canonical_scale) + 1e-6)
        first, last = self._exponents[0], self._exponents[-1]
        return torch.clamp(level, min=first, max=last).to(torch.int64) - first

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        maps: list[Tensor] = []
        for name, m in x.items():
            if name in self.featmap_names:
                maps.append(m)
        if len(self._exponents) == 0:
            if len(image_shapes) == 0:
                raise ValueError("images list should not be empty")
            height = 0
            for shape in image_shapes:
                height = max(height, shape[0])
            exponents: list[int] = []
            for m in maps:
                exponents.append(-int(round(math.log2(m.shape[-2] / height))))
            self._exponents = exponents
        rois = _rois_of(boxes)
        scales = [2.0 ** float(-e) for e in self._exponents]
        if len(maps) == 1:
            return roi_align(maps[0], rois, self.output_size, scales[0], self.sampling_ratio)
        levels = self._levels(boxes)
        height, width = self.output_size
        result = torch.zeros([len(rois), maps[0].shape[1], height, width], dtype=maps[0].dtype, device=maps[0].device)
        for level in range(len(maps)):
            features, scale = maps[level], scales[level]
            mine = torch.where(levels == level)[0]
            result[mine] = roi_align(features, rois[mine], self.output_size, scale, self.sampling_ratio).to(
                result.dtype
            )
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, output_size={self.output_size}, "
            f"sampling_ratio={self.sampling_ratio})"
        )
