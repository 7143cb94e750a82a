"""Anchors: the boxes that detection models measure from, of some sizes and shapes at every place of every map."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from .image_list import ImageList

__all__ = ["AnchorGenerator"]


class AnchorGenerator(nn.Module):
    """Boxes of all given sizes and aspect ratios (height over width) around each place of a map.

    Args:
        sizes: for each map a tuple of sides. aspect_ratios: for each map a tuple.

    >>> anchors = AnchorGenerator(((8,),), ((0.5, 1.0),))
    >>> anchors(ImageList(torch.zeros(1, 3, 16, 16), [(16, 16)]), [torch.zeros(1, 4, 1, 1)])
    [tensor([[-6., -3.,  6.,  3.],
            [-4., -4.,  4.,  4.]])]
    """

    def __init__(self, sizes: Any = ((128, 256, 512),), aspect_ratios: Any = ((0.5, 1.0, 2.0),)):
        super().__init__()
        if not isinstance(sizes[0], (list, tuple)):
            sizes = tuple((s,) for s in sizes)
        if not isinstance(aspect_ratios[0], (list, tuple)):
            aspect_ratios = (aspect_ratios,) * len(sizes)
        self.sizes, self.aspect_ratios = sizes, aspect_ratios
        self.cell_anchors = [self.generate_anchors(s, a) for s, a in zip(sizes, aspect_ratios)]

    def generate_anchors(
        self, scales: Any, aspect_ratios: Any, dtype: Any = torch.float32, device: Any = "cpu"
    ) -> Tensor:
        """Those around the origin, rounded to whole pixels."""
        scales, ratios = (torch.as_tensor(v, dtype=dtype, device=device) for v in (scales, aspect_ratios))
        tall = torch.sqrt(ratios)
        widths, heights = ((1 / tall)[:, None] * scales).reshape(-1), (tall[:, None] * scales).reshape(-1)
        return (torch.stack([-widths, -heights, widths, heights], dim=1) / 2).round()

    def set_cell_anchors(self, dtype: Any, device: Any) -> None:
        self.cell_anchors = [a.to(dtype=dtype, device=device) for a in self.cell_anchors]

    def num_anchors_per_location(self) -> list[int]:
        return [len(s) * len(a) for s, a in zip(self.sizes, self.aspect_ratios)]

    def grid_anchors(self, grid_sizes: Any, strides: Any) -> list[Tensor]:
        if not len(grid_sizes) == len(strides) == len(self.cell_anchors):
            raise ValueError(
                f"Anchors should be Tuple[Tuple[int]] because each feature map could potentially have different sizes and aspect ratios. There "
                f"needs to be a match between the number of feature maps passed ({len(grid_sizes)}) and the number of sizes / aspect ratios "
                f"specified ({len(self.cell_anchors)})."
            )
        out = []
        for (height, width), (step_y, step_x), base in zip(grid_sizes, strides, self.cell_anchors):
            y, x = torch.meshgrid(
                torch.arange(height, dtype=torch.int32, device=base.device) * step_y,
                torch.arange(width, dtype=torch.int32, device=base.device) * step_x,
                indexing="ij",
            )
            out.append((torch.stack((x, y, x, y), dim=-1).reshape(-1, 4)[:, None] + base[None]).reshape(-1, 4))
        return out

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """The anchors of all maps, for each image."""
        height, width = image_list.tensors.shape[-2:]
        grids = [m.shape[-2:] for m in feature_maps]
        self.set_cell_anchors(feature_maps[0].dtype, feature_maps[0].device)
        every = torch.cat(self.grid_anchors(grids, [(height // h, width // w) for h, w in grids]))
        return [every.clone() if i else every for i in range(len(image_list.image_sizes))]
