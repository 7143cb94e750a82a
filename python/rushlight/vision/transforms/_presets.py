"""How images are prepared for a checkpoint: what ``weights.transforms()`` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from . import functional as F
from .functional import InterpolationMode

__all__ = ["ImageClassification", "ObjectDetection", "SemanticSegmentation"]
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Preset(nn.Module):
    def __init__(
        self, resize_size: Any, mean: Sequence[float], std: Sequence[float], interpolation: Any, antialias: bool | None
    ):
        super().__init__()
        self.resize_size = (
            None if resize_size is None else [resize_size] if isinstance(resize_size, int) else list(resize_size)
        )
        self.mean, self.std, self.antialias = list(mean), list(std), antialias
        self.interpolation = InterpolationMode(interpolation) if isinstance(interpolation, str) else interpolation

    def _resized(self, img: Any) -> Any:
        if self.resize_size is None:
            return img
        return F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)

    def _normal(self, img: Any) -> Tensor:
        img = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, torch.float), mean=self.mean, std=self.std)

    def forward(self, img: Any) -> Tensor:
        return self._normal(self._resized(img))

    def __repr__(self) -> str:
        shown = [n for n in ("crop_size", "resize_size", "mean", "std", "interpolation") if hasattr(self, n)]
        return "\n".join([f"{type(self).__name__}(", *(f"    {n}={getattr(self, n)}" for n in shown), ")"])


class ImageClassification(_Preset):
    """Resized, cropped, normalised.

    >>> ImageClassification(crop_size=8, resize_size=10)(torch.zeros(3, 20, 30, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self, *, crop_size: int, resize_size: int = 256, mean: Sequence[float] = _MEAN, std: Sequence[float] = _STD,
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ):  # fmt: skip
        super().__init__(resize_size, mean, std, interpolation, antialias)
        self.crop_size = [crop_size]

    def forward(self, img: Any) -> Tensor:
        return self._normal(F.center_crop(self._resized(img), self.crop_size))


class SemanticSegmentation(_Preset):
    """Resized, normalised."""

    def __init__(
        self, *, resize_size: int | None, mean: Sequence[float] = _MEAN, std: Sequence[float] = _STD,
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ):  # fmt: skip
        super().__init__(resize_size, mean, std, interpolation, antialias)


class ObjectDetection(nn.Module):
    """Floats from 0 to 1."""

    def forward(self, img: Any) -> Tensor:
        return F.convert_image_dtype(img if isinstance(img, Tensor) else F.pil_to_tensor(img), torch.float)
