"""Transforms of version 2 that move pixels, boxes and points."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import rushlight as torch
from rushlight import Tensor

from ... import tv_tensors as tv
from ...ops.boxes import box_iou
from .. import _image, _shared
from .. import transforms as v1
from .._dispatch import InterpolationMode
from . import functional as F
from ._transform import (
    RandomApplied,
    Transform,
    checked_fill,
    fill_of,
    get_bounding_boxes,
    is_image,
    mode,
    query_size,
)

__all__: list[str] = []


def _public(cls: type) -> type:
    __all__.append(cls.__name__)
    return cls


# ---- geometry ------------------------------------------------------------------------------------------------------------


@_public
class Resize(Transform):
    """To ``size``: (height, width), or one number for the shorter side, of which the longer is at most ``max_size``."""

    def __init__(
        self,
        size: Any,
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        elif size is None:
            if not isinstance(max_size, int):
                raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        else:
            raise ValueError(
                f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead."
            )
        self.size, self.interpolation, self.max_size, self.antialias = size, mode(interpolation), max_size, antialias

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.resize(inpt, self.size, self.interpolation, self.max_size, self.antialias)


@_public
class CenterCrop(Transform):
    """The middle; padded with 0 where the image is smaller."""

    def __init__(self, size: Any):
        super().__init__()
        self.size = _shared.two(size)

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.center_crop(inpt, self.size)


@_public
class RandomResizedCrop(Transform):
    """A part of an area (``scale``) and shape (``ratio``) within intervals, resized to ``size``."""

    def __init__(
        self, size: Any, scale: Sequence[float] = (0.08, 1.0), ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ):  # fmt: skip
        super().__init__()
        self.size = _shared.two(size)
        if not isinstance(scale, Sequence) or not isinstance(ratio, Sequence):
            raise TypeError("Scale and ratio should be sequences")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale, self.ratio, self.interpolation, self.antialias = scale, ratio, mode(interpolation), antialias

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"part": _shared.resized_crop_params(*query_size(flat), self.scale, self.ratio)}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.resized_crop(inpt, *params["part"], self.size, self.interpolation, self.antialias)


class _Crops(Transform):
    """Several parts of each image."""

    def __init__(self, size: Any):
        super().__init__()
        self.size = _shared.two(size)

    _takes = staticmethod(is_image)

    def check_inputs(self, flat: list[Any]) -> None:
        if any(isinstance(x, (tv.BoundingBoxes, tv.Mask)) for x in flat):
            raise TypeError(f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()")


@_public
class FiveCrop(_Crops):
    """The four corners and the middle, as a tuple."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.five_crop(inpt, self.size)


@_public
class TenCrop(_Crops):
    """:class:`FiveCrop` of the image and of its mirror image."""

    def __init__(self, size: Any, vertical_flip: bool = False):
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.ten_crop(inpt, self.size, vertical_flip=self.vertical_flip)


@_public
class Pad(Transform):
    """Around it: a number, (left and right, top and bottom), or left, top, right, bottom."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant"):
        super().__init__()
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(f"Padding mode should be either constant, edge, reflect or symmetric, got {padding_mode}")
        if not isinstance(padding, (numbers.Number, tuple, list)):
            raise TypeError("Got inappropriate padding arg, only Number, tuple or list are allowed.")
        _image.four(padding)
        self.padding, self.fill, self.padding_mode = padding, checked_fill(fill), padding_mode

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.pad(inpt, padding=self.padding, fill=fill_of(self.fill, inpt), padding_mode=self.padding_mode)


@_public
class RandomZoomOut(RandomApplied):
    """More room around the image, with probability ``p``: ``side_range`` times its size."""

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5):
        super().__init__(p=p)
        if len(side_range) != 2 or side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")
        self.fill, self.side_range = checked_fill(fill), side_range

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat)
        r = self.side_range[0] + torch.rand(1) * (self.side_range[1] - self.side_range[0])
        wide, high = int(width * r), int(height * r)
        r = torch.rand(2)
        left, top = int((wide - width) * r[0]), int((high - height) * r[1])
        return {"padding": [left, top, wide - (left + width), high - (top + height)]}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.pad(inpt, params["padding"], fill=fill_of(self.fill, inpt))


@_public
class RandomRotation(Transform):
    """Turns by a random angle."""

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ):
        super().__init__()
        self.degrees = v1.RandomRotation(degrees, center=center).degrees  # which checks them
        self.interpolation, self.expand, self.fill, self.center = (
            mode(interpolation),
            expand,
            checked_fill(fill),
            center,
        )

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"angle": _shared.uniform(*self.degrees)}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.rotate(inpt, params["angle"], self.interpolation, self.expand, self.center, fill_of(self.fill, inpt))


@_public
class RandomAffine(Transform):
    """Turns, moves, scales and shears at random."""

    def __init__(
        self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None, interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0, center: Any = None,
    ):  # fmt: skip
        super().__init__()
        checked = v1.RandomAffine(degrees, translate, scale, shear, center=center)
        self.degrees, self.translate, self.scale, self.shear = checked.degrees, translate, scale, checked.shear
        self.interpolation, self.fill, self.center = mode(interpolation), checked_fill(fill), center

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat)
        return {"how": _shared.affine_params(self.degrees, self.translate, self.scale, self.shear, width, height)}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.affine(
            inpt, *params["how"], interpolation=self.interpolation, fill=fill_of(self.fill, inpt), center=self.center
        )


@_public
class RandomCrop(Transform):
    """A part of ``size``, from the image with ``padding`` around it."""

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"
    ):
        super().__init__()
        self.size = _shared.two(size)
        self.padding = None if padding is None else _image.four(padding)
        self.pad_if_needed, self.fill, self.padding_mode = pad_if_needed, checked_fill(fill), padding_mode

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat)
        left, top, right, bottom = self.padding or (0, 0, 0, 0)
        high, wide = self.size
        if self.pad_if_needed:
            down, across = max(high - height - top - bottom, 0), max(wide - width - left - right, 0)
            left, top, right, bottom = left + across, top + down, right + across, bottom + down
        height, width = height + top + bottom, width + left + right
        if height < high or width < wide:
            raise ValueError(
                f"Required crop size {(high, wide)} is larger than {'padded ' if self.padding is not None else ''}input image size {(height, width)}."
            )
        y = int(torch.randint(0, height - high + 1, size=(1,))) if height != high else 0
        x = int(torch.randint(0, width - wide + 1, size=(1,))) if width != wide else 0
        return {
            "part": (y, x, high, wide),
            "crops": (height, width) != (high, wide),
            "padding": [left, top, right, bottom],
        }

    def transform(self, inpt: Any, params: dict) -> Any:
        if any(params["padding"]):
            inpt = F.pad(inpt, params["padding"], fill_of(self.fill, inpt), self.padding_mode)
        return F.crop(inpt, *params["part"]) if params["crops"] else inpt


@_public
class RandomPerspective(RandomApplied):
    """Moves the corners, with probability ``p``."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ):
        super().__init__(p=p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale, self.interpolation, self.fill = (
            distortion_scale,
            mode(interpolation),
            checked_fill(fill),
        )

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat)
        start, end = _shared.perspective_params(width, height, self.distortion_scale)
        return {"coefficients": _image.perspective_coefficients(start, end)}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.perspective(inpt, None, None, self.interpolation, fill_of(self.fill, inpt), params["coefficients"])


@_public
class ElasticTransform(Transform):
    """Moves pixels by smooth random distances: ``alpha`` says how far, ``sigma`` how smooth."""

    def __init__(
        self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = 0
    ):
        super().__init__()
        checked = v1.ElasticTransform(alpha, sigma)
        self.alpha, self.sigma = checked.alpha, checked.sigma
        self.interpolation, self.fill = mode(interpolation), checked_fill(fill)

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"displacement": _shared.elastic_displacement(list(query_size(flat)), self.alpha, self.sigma)}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.elastic(inpt, params["displacement"], self.interpolation, fill_of(self.fill, inpt))


@_public
class RandomIoUCrop(Transform):
    """A part that overlaps a box by enough (SSD's); boxes whose centre is outside become 0 x 0."""

    def __init__(
        self, min_scale: float = 0.3, max_scale: float = 1.0, min_aspect_ratio: float = 0.5, max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None, trials: int = 40,
    ):  # fmt: skip
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options, self.trials = sampler_options or [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0], trials

    def check_inputs(self, flat: list[Any]) -> None:
        if not (any(isinstance(x, tv.BoundingBoxes) for x in flat) and any(is_image(x) for x in flat)):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images and bounding boxes. Sample can also contain masks."
            )

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat)
        boxes = get_bounding_boxes(flat)
        while True:
            least = self.options[int(torch.randint(low=0, high=len(self.options), size=(1,)))]
            if least >= 1.0:
                return {}
            for _ in range(self.trials):
                r = self.min_scale + (self.max_scale - self.min_scale) * torch.rand(2)
                w, h = int(width * r[0]), int(height * r[1])
                if h == 0 or not self.min_aspect_ratio <= w / h <= self.max_aspect_ratio:
                    continue
                r = torch.rand(2)
                left, top = int((width - w) * r[0]), int((height - h) * r[1])
                if w == 0:
                    continue
                corners = F.convert_bounding_box_format(
                    boxes.as_subclass(Tensor), boxes.format, tv.BoundingBoxFormat.XYXY
                )
                cx, cy = 0.5 * (corners[..., 0] + corners[..., 2]), 0.5 * (corners[..., 1] + corners[..., 3])
                inside = (left < cx) & (cx < left + w) & (top < cy) & (cy < top + h)
                if not inside.any():
                    continue
                part = torch.tensor([[left, top, left + w, top + h]], dtype=corners.dtype, device=corners.device)
                if box_iou(corners[inside], part).max() < least:
                    continue
                return {"part": (top, left, h, w), "inside": inside}

    def transform(self, inpt: Any, params: dict) -> Any:
        if not params:
            return inpt
        out = F.crop(inpt, *params["part"])
        if isinstance(out, tv.BoundingBoxes):
            out[~params["inside"]] = 0
        return out


@_public
class ScaleJitter(Transform):
    """As large as fits ``target_size``, times a random factor."""

    def __init__(
        self, target_size: tuple[int, int], scale_range: tuple[float, float] = (0.1, 2.0), interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):  # fmt: skip
        super().__init__()
        self.target_size, self.scale_range, self.interpolation, self.antialias = (
            target_size,
            scale_range,
            mode(interpolation),
            antialias,
        )

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat)
        scale = self.scale_range[0] + torch.rand(1) * (self.scale_range[1] - self.scale_range[0])
        r = min(self.target_size[1] / height, self.target_size[0] / width) * scale
        return {"size": (int(height * r), int(width * r))}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)


@_public
class RandomShortestSize(ScaleJitter):
    """The shorter side is one of ``min_size``, and the longer at most ``max_size``."""

    def __init__(
        self,
        min_size: Any,
        max_size: int | None = None,
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        Transform.__init__(self)
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size, self.interpolation, self.antialias = max_size, mode(interpolation), antialias

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat)
        r = self.min_size[int(torch.randint(len(self.min_size), ()))] / min(height, width)
        if self.max_size is not None:
            r = min(r, self.max_size / max(height, width))
        return {"size": (int(height * r), int(width * r))}


@_public
class RandomResize(ScaleJitter):
    """The shorter side is between ``min_size`` and ``max_size``."""

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ):
        Transform.__init__(self)
        self.min_size, self.max_size, self.interpolation, self.antialias = (
            min_size,
            max_size,
            mode(interpolation),
            antialias,
        )

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"size": [int(torch.randint(self.min_size, self.max_size, ()))]}
