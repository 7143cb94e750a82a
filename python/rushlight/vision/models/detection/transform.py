"""What detection models do to images and boxes on their way in, and to results on their way out."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.nn import functional as F

from .image_list import ImageList
from .roi_heads import paste_masks_in_image

__all__ = ["GeneralizedRCNNTransform", "resize_boxes", "resize_keypoints"]


def _ratios(old: Any, new: Any) -> tuple[Tensor, Tensor]:
    """(height, width): how many times the old size the new one is."""
    height, width = (
        torch.tensor(n, dtype=torch.float32) / torch.tensor(o, dtype=torch.float32) for n, o in zip(new, old)
    )
    return height, width


def resize_boxes(boxes: Tensor, original_size: Any, new_size: Any) -> Tensor:
    """Boxes of an image of one (height, width) on the image of another.

    >>> resize_boxes(torch.tensor([[1.0, 2, 3, 4]]), (10, 10), (20, 30))
    tensor([[3., 4., 9., 8.]])
    """
    height, width = _ratios(original_size, new_size)
    return boxes * torch.stack((width, height, width, height)).to(boxes.device)


def resize_keypoints(keypoints: Tensor, original_size: Any, new_size: Any) -> Tensor:
    """Keypoints ``(..., 3)`` as (x, y, visibility), likewise."""
    height, width = _ratios(original_size, new_size)
    return keypoints * torch.stack((width, height, torch.ones_like(width))).to(keypoints)


class GeneralizedRCNNTransform(nn.Module):
    """Normalises images, resizes them so that the short side is `min_size` and the long one at most `max_size`, and pads them to one size.

    Args:
        min_size: one size, or several of which training draws one for each image and evaluation takes the last.
        size_divisible: sides of the padded images are multiples of it.
        fixed_size: (width, height), in the place of min_size and max_size.

    >>> transform = GeneralizedRCNNTransform(32, 64, [0.5] * 3, [0.5] * 3).eval()
    >>> images, _ = transform([torch.rand(3, 16, 20), torch.rand(3, 40, 20)])
    >>> images.tensors.shape, images.image_sizes
    (torch.Size([2, 3, 64, 64]), [(32, 40), (64, 32)])
    """

    def __init__(
        self, min_size: Any, max_size: int, image_mean: list[float], image_std: list[float], size_divisible: int = 32,
        fixed_size: tuple[int, int] | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__()
        self.min_size = tuple(min_size) if isinstance(min_size, (list, tuple)) else (min_size,)
        self.max_size, self.image_mean, self.image_std = max_size, image_mean, image_std
        self.size_divisible, self.fixed_size = size_divisible, fixed_size
        self._skip_resize = kwargs.pop("_skip_resize", False)

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        images = list(images)
        made = None if targets is None else [dict(t) for t in targets]
        for i, image in enumerate(images):
            if image.dim() != 3:
                raise ValueError(f"images is expected to be a list of 3d tensors of shape [C, H, W], got {image.shape}")
            image, target = self.resize(self.normalize(image), None if made is None else made[i])
            images[i] = image
            if made is not None and target is not None:
                made[i] = target
        sizes = [(int(i.shape[-2]), int(i.shape[-1])) for i in images]
        return ImageList(self.batch_images(images, self.size_divisible), sizes), made

    def normalize(self, image: Tensor) -> Tensor:
        if not image.is_floating_point():
            raise TypeError(
                f"Expected input images to be of floating type (in range [0, 1]), but found type {image.dtype} instead"
            )
        mean, std = (
            torch.as_tensor(v, dtype=image.dtype, device=image.device) for v in (self.image_mean, self.image_std)
        )
        return (image - mean[:, None, None]) / std[:, None, None]

    def torch_choice(self, k: Any) -> int:
        """One of them, drawn by the generator of tensors."""
        return k[int(torch.empty(1).uniform_(0.0, float(len(k))).item())]

    def resize(self, image: Tensor, target: dict | None = None) -> tuple[Tensor, dict | None]:
        height, width = image.shape[-2:]
        if self.training and self._skip_resize:
            return image, target
        size = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        if self.fixed_size is not None:
            how: dict[str, Any] = {"size": [self.fixed_size[1], self.fixed_size[0]]}
        else:
            # Of float32, as the sizes that come of it are those of trained models.
            shape = torch.tensor([height, width]).to(torch.float32)
            scale = torch.min(float(size) / shape.min(), float(self.max_size) / shape.max()).item()
            how = {"scale_factor": scale, "recompute_scale_factor": True}
        image = F.interpolate(image[None], mode="bilinear", align_corners=False, **how)[0]
        if target is None:
            return image, None
        if "masks" in target:
            target["masks"] = F.interpolate(target["masks"][:, None].float(), **how)[:, 0].byte()
        new = image.shape[-2:]
        target["boxes"] = resize_boxes(target["boxes"], (height, width), new)
        if "keypoints" in target:
            target["keypoints"] = resize_keypoints(target["keypoints"], (height, width), new)
        return image, target

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """Into one tensor, zeros right of and below the smaller ones."""
        sides = [max(int(i.shape[d]) for i in images) for d in range(3)]
        for d in (1, 2):
            sides[d] = -(-sides[d] // size_divisible) * size_divisible
        out = images[0].new_full([len(images), *sides], 0)
        for i, image in enumerate(images):
            out[i, : image.shape[0], : image.shape[1], : image.shape[2]].copy_(image)
        return out

    def postprocess(
        self,
        result: list[dict[str, Tensor]],
        image_shapes: list[tuple[int, int]],
        original_image_sizes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        """Results on the images as they came."""
        if self.training:
            return result
        for found, size, original in zip(result, image_shapes, original_image_sizes):
            found["boxes"] = resize_boxes(found["boxes"], size, original)
            if "masks" in found:
                found["masks"] = paste_masks_in_image(found["masks"], found["boxes"], original)
            if "keypoints" in found:
                found["keypoints"] = resize_keypoints(found["keypoints"], size, original)
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(\n    Normalize(mean={self.image_mean}, std={self.image_std})\n"
            f"    Resize(min_size={self.min_size}, max_size={self.max_size}, mode='bilinear')\n)"
        )
