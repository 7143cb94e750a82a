"""A batch of images of different sizes, padded to one."""

from __future__ import annotations

from rushlight import Tensor

__all__ = ["ImageList"]


class ImageList:
    """Images in one tensor ``(N, C, H, W)``, and each one's own (height, width) before padding."""

    def __init__(self, tensors: Tensor, image_sizes: list[tuple[int, int]]):
        self.tensors, self.image_sizes = tensors, image_sizes

    def to(self, device) -> ImageList:
        return ImageList(self.tensors.to(device), self.image_sizes)
