"""The functions of version 2: of tensors, PIL images and tv_tensors. Names that end in _image, _video or _mask take plain tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import rushlight as torch
from rushlight import Tensor

from ... import tv_tensors as tv
from ...ops.boxes import box_convert
from .. import _dispatch, _image
from .._dispatch import (  # noqa: F401
    InterpolationMode,
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    affine,
    autocontrast,
    center_crop,
    crop,
    elastic,
    equalize,
    erase,
    five_crop,
    gaussian_blur,
    get_dimensions,
    get_num_channels,
    get_size,
    horizontal_flip,
    invert,
    is_pil,
    kind_of,
    normalize,
    pad,
    perspective,
    posterize,
    resize,
    resized_crop,
    rgb_to_grayscale,
    rotate,
    solarize,
    ten_crop,
    to_dtype,
    vertical_flip,
)
from ..functional import convert_image_dtype, get_image_size, pil_to_tensor, to_grayscale, to_pil_image, to_tensor  # noqa: F401

hflip, vflip, elastic_transform, get_image_num_channels = horizontal_flip, vertical_flip, elastic, get_num_channels


def is_pure_tensor(inpt: Any) -> bool:
    """A tensor that doesn't say what it is."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, tv.TVTensor)


def to_image(inpt: Any) -> tv.Image:
    """An Image of a tensor, a PIL image or an array ``(H, W, C)``.

    >>> to_image(np.zeros((4, 5, 3), dtype=np.uint8)).shape
    torch.Size([3, 4, 5])
    """
    if isinstance(inpt, np.ndarray):
        inpt = torch.from_numpy(np.ascontiguousarray((inpt if inpt.ndim == 3 else inpt[:, :, None]).transpose(2, 0, 1)))
    elif is_pil(inpt):
        inpt = pil_to_tensor(inpt)
    elif not isinstance(inpt, Tensor):
        raise TypeError(
            f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead."
        )
    return tv.Image(inpt)


def get_num_frames(inpt: Tensor) -> int:
    """How many images a video has."""
    return inpt.shape[-4]


def convert_bounding_box_format(
    inpt: Tensor, old_format: Any = None, new_format: Any = None, inplace: bool = False
) -> Tensor:
    """Boxes in another format; of plain tensors ``old_format`` says which they have."""
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    new = tv.BoundingBoxFormat[new_format.upper()] if isinstance(new_format, str) else new_format
    if isinstance(inpt, tv.BoundingBoxes):
        if old_format is not None:
            raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
        old = inpt.format
    elif old_format is None:
        raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
    else:
        old = tv.BoundingBoxFormat[old_format.upper()] if isinstance(old_format, str) else old_format
    boxes = _dispatch.plain(inpt)
    out = boxes
    if old != new:
        out = box_convert(boxes if boxes.is_floating_point() else boxes.float(), old.value.lower(), new.value.lower())
        if not boxes.is_floating_point():
            out = (
                out.to(boxes.dtype) if new.value != "CXCYWH" and old.value != "CXCYWH" else out.round().to(boxes.dtype)
            )
            if "CXCYWH" in (old.value, new.value):
                out = _whole(boxes, old.value, new.value)
    return tv.wrap(out, like=inpt, format=new) if isinstance(inpt, tv.BoundingBoxes) else out


def _whole(boxes: Tensor, old: str, new: str) -> Tensor:
    """Whole numbers with a centre: halves are cut off."""
    if old == "CXCYWH":
        cx, cy, w, h = boxes.unbind(-1)
        x, y = cx - w.div(2, rounding_mode="trunc"), cy - h.div(2, rounding_mode="trunc")
        half_w, half_h = (s * 0.5 for s in (w, h))
        x, y = (cx - half_w.ceil().to(w.dtype)), (cy - half_h.ceil().to(h.dtype))
        corners = torch.stack((x, y, x + w, y + h), -1)
    else:
        corners = boxes if old == "XYXY" else box_convert(boxes, "xywh", "xyxy")
    if new == "CXCYWH":
        x1, y1, x2, y2 = corners.unbind(-1)
        w, h = x2 - x1, y2 - y1
        return torch.stack(((x1 + x2).div(2, rounding_mode="trunc"), (y1 + y2).div(2, rounding_mode="trunc"), w, h), -1)
    return corners if new == "XYXY" else box_convert(corners, "xyxy", "xywh")


def clamp_bounding_boxes(
    inpt: Tensor, format: Any = None, canvas_size: Any = None, clamping_mode: Any = "auto"
) -> Tensor:
    """Boxes cut off where they leave the image."""
    if isinstance(inpt, tv.BoundingBoxes):
        mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
        out = _dispatch.clamp_boxes(_dispatch.plain(inpt), inpt.format, inpt.canvas_size, mode)
        return tv.wrap(out, like=inpt)
    if format is None or canvas_size is None:
        raise ValueError("For pure tensor inputs, `format` and `canvas_size` have to be passed.")
    return _dispatch.clamp_boxes(inpt, format, canvas_size, "soft" if clamping_mode == "auto" else clamping_mode)


def clamp_keypoints(inpt: Tensor, canvas_size: Any = None) -> Tensor:
    """Points moved into the image."""
    if isinstance(inpt, tv.KeyPoints):
        return tv.wrap(_dispatch.clamp_points(_dispatch.plain(inpt), inpt.canvas_size), like=inpt)
    if canvas_size is None:
        raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
    return _dispatch.clamp_points(inpt, canvas_size)


def sanitize_bounding_boxes(
    bounding_boxes: Tensor, format: Any = None, canvas_size: Any = None, min_size: float = 1.0, min_area: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Without boxes that are too small or not within the image; and which remain."""
    if isinstance(bounding_boxes, tv.BoundingBoxes):
        format, canvas_size = bounding_boxes.format, bounding_boxes.canvas_size
    elif format is None or canvas_size is None:
        raise ValueError("format and canvas_size cannot be None if bounding_boxes is a pure tensor.")
    kept = _sane_boxes(_dispatch.plain(bounding_boxes), format, canvas_size, min_size, min_area)
    return bounding_boxes[kept], kept


def _sane_boxes(boxes: Tensor, format: Any, canvas_size: Any, min_size: float, min_area: float) -> Tensor:
    format = tv.BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
    corners = _dispatch._corners(boxes, format)
    flat = torch.cat((corners.amin(1), corners.amax(1)), 1)
    if tv.is_rotated_bounding_format(format):
        sides = box_convert(boxes, format.value.lower(), "cxcywhr")[:, 2:4]
    else:
        sides = flat[:, 2:] - flat[:, :2]
    height, width = canvas_size
    kept = (sides >= min_size).all(-1) & (sides.prod(-1) >= min_area) & (flat >= 0).all(-1)
    return kept & (flat[:, 0::2] <= width).all(-1) & (flat[:, 1::2] <= height).all(-1)


def sanitize_keypoints(key_points: Tensor, canvas_size: Any = None) -> tuple[Tensor, Tensor]:
    """Without points outside of the image; and which remain."""
    size = key_points.canvas_size if isinstance(key_points, tv.KeyPoints) else canvas_size
    if size is None:
        raise ValueError("canvas_size cannot be None if key_points is a pure tensor.")
    points = _dispatch.plain(key_points)
    inside = (points[..., 0] >= 0) & (points[..., 0] < size[1]) & (points[..., 1] >= 0) & (points[..., 1] < size[0])
    kept = inside.flatten(1).all(-1) if inside.ndim > 1 else inside
    return key_points[kept], kept


def permute_channels(inpt: Any, permutation: Sequence[int]) -> Any:
    """Channels in another order."""

    def of_tensor(t: Tensor) -> Tensor:
        if len(permutation) != t.shape[-3]:
            raise ValueError(
                f"Length of permutation does not match number of channels: {len(permutation)} != {t.shape[-3]}"
            )
        return t[..., list(permutation), :, :]

    return _dispatch.on_image(inpt, of_tensor, lambda m, i: to_pil_image(of_tensor(pil_to_tensor(i))))


def grayscale_to_rgb(inpt: Any) -> Any:
    """Three channels of one; images of three stay."""

    def of_tensor(t: Tensor) -> Tensor:
        return t if t.shape[-3] >= 3 else _image.grayscale(t, 3) if t.shape[-3] == 1 else t

    return _dispatch.on_image(inpt, of_tensor, lambda m, i: i.convert(mode="RGB"))


def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """Adds normal noise, to values from 0 to 1 (of bytes: 0 to 255)."""
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")

    def of_tensor(t: Tensor) -> Tensor:
        if t.is_floating_point():
            out = t + mean + torch.randn_like(t) * sigma
            return torch.clamp(out, 0, 1) if clip else out
        if t.dtype != torch.uint8:
            raise ValueError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={t.dtype}")
        noise = ((mean * 255) + torch.randn_like(t, dtype=torch.float32) * (sigma * 255)).to(torch.int16)
        return (
            torch.clamp(t.to(torch.int16) + noise, 0, 255).to(torch.uint8)
            if clip
            else (t.to(torch.int16) + noise).to(torch.uint8)
        )

    if kind_of(inpt) == "pil":
        raise ValueError("PIL images can't be noised: convert them first, with to_image()")
    return _dispatch.on_image(inpt, of_tensor)


def uniform_temporal_subsample(inpt: Tensor, num_samples: int) -> Tensor:
    """So many images of a video, equally far apart."""
    if not isinstance(inpt, Tensor) or inpt.ndim < 4:
        raise TypeError(f"uniform_temporal_subsample: expected a video (..., T, C, H, W), got {type(inpt)}")
    t = inpt.shape[-4]
    index = torch.linspace(0, t - 1, num_samples, device=inpt.device).long()
    return _dispatch.back(torch.index_select(_dispatch.plain(inpt), -4, index), inpt)


def jpeg(inpt: Any, quality: int) -> Any:
    """What is left of an image after JPEG."""
    import io

    from PIL import Image

    def of_pil(_: Any, image: Any) -> Any:
        with io.BytesIO() as file:
            image.save(file, format="JPEG", quality=quality)
            file.seek(0)
            with Image.open(file) as read:
                return read.copy()

    def of_tensor(t: Tensor) -> Tensor:
        flat = t.reshape(-1, *t.shape[-3:])
        return torch.stack([pil_to_tensor(of_pil(None, to_pil_image(i))) for i in flat]).reshape(t.shape)

    return _dispatch.on_image(inpt, of_tensor, of_pil)


def register_kernel(functional: Any, tv_tensor_cls: type) -> Callable:
    """Not possible here: subclasses of tv_tensors are treated as what they derive from."""
    raise torch.UnsupportedError("rushlight has no register_kernel; write a transform that knows the class")


def __getattr__(name: str) -> Any:
    base, _, kind = name.rpartition("_")
    if kind in ("image", "video") and callable(globals().get(base)):
        return globals()[base]
    if kind == "mask" and base in ("resize", "crop", "pad", "affine", "rotate", "perspective", "elastic", "horizontal_flip",
                                   "vertical_flip", "center_crop", "resized_crop", "get_size"):  # fmt: skip

        def on_mask(mask: Tensor, *args: Any, **kwargs: Any) -> Any:
            out = globals()[base](tv.Mask(mask), *args, **kwargs)
            return _dispatch.plain(out) if isinstance(out, Tensor) else out

        return on_mask
    raise AttributeError(f"module 'rushlight.vision.transforms.v2.functional' has no attribute '{name}'")
