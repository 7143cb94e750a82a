"""The functions behind the transforms, of tensors ``(..., C, H, W)`` and PIL images (v1's signatures and rounding)."""

from __future__ import annotations

import enum  # noqa: F401
from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight as torch
from rushlight import Tensor

from . import _dispatch, _image
from ._dispatch import (  # noqa: F401
    InterpolationMode,
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    affine,
    center_crop,
    crop,
    equalize,
    erase,
    five_crop,
    gaussian_blur,
    get_dimensions,
    invert,
    is_pil,
    pad,
    perspective,
    posterize,
    rotate,
    solarize,
    ten_crop,
)
from ._dispatch import horizontal_flip as hflip  # noqa: F401
from ._dispatch import vertical_flip as vflip  # noqa: F401

pil_modes_mapping = {
    InterpolationMode.NEAREST: 0, InterpolationMode.BILINEAR: 2, InterpolationMode.BICUBIC: 3, InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.BOX: 4, InterpolationMode.HAMMING: 5, InterpolationMode.LANCZOS: 1,
}  # fmt: skip


def get_image_size(img: Any) -> list[int]:
    """[width, height]."""
    return _dispatch.get_size(img)[::-1]


def get_image_num_channels(img: Any) -> int:
    """How many channels an image has."""
    return _dispatch.get_num_channels(img)


def normalize(tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """``(tensor - mean) / std`` by channel, of float images ``(..., C, H, W)``; one number for all channels, or one for each.

    >>> normalize(torch.ones(3, 2, 2), [0.5], [0.5])[0, 0]
    tensor([1., 1.])
    """
    out = _dispatch.normalize(tensor, mean, std, inplace)
    if out.shape != tensor.shape:  # version 2 spreads an image of one channel over several means
        raise RuntimeError(
            f"normalize: expected one mean and one std for each of {tensor.shape[-3]} channels, or one for all, got {len(mean)} and {len(std)}"
        )
    return out


def _values_of_pil(pic: Any) -> np.ndarray:
    values = np.array(pic, copy=True)
    if pic.mode == "1":
        values = values.astype(np.uint8)
    return values[:, :, None] if values.ndim == 2 else values


def pil_to_tensor(pic: Any) -> Tensor:
    """``(C, H, W)`` of an image's own dtype."""
    if not is_pil(pic):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    return torch.from_numpy(_values_of_pil(pic)).permute(2, 0, 1).contiguous()


def to_tensor(pic: Any) -> Tensor:
    """A PIL image or array ``(H, W, C)`` as ``(C, H, W)``; bytes become floats from 0 to 1.

    >>> to_tensor(np.full((2, 3, 1), 255, dtype=np.uint8)).shape
    torch.Size([1, 2, 3])
    """
    if isinstance(pic, np.ndarray):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        values = torch.from_numpy(np.ascontiguousarray((pic[:, :, None] if pic.ndim == 2 else pic).transpose(2, 0, 1)))
        return values.to(torch.get_default_dtype()).div(255) if values.dtype == torch.uint8 else values
    if not is_pil(pic):
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    if pic.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        values = np.array(pic, dtype={"I": np.int32, "F": np.float32}.get(pic.mode, np.int16), copy=True)
        return torch.from_numpy(values)[None]
    values = torch.from_numpy(_values_of_pil(pic) * (255 if pic.mode == "1" else 1)).permute(2, 0, 1).contiguous()
    return values.to(torch.get_default_dtype()).div(255) if values.dtype == torch.uint8 else values


def convert_image_dtype(image: Tensor, dtype=torch.float) -> Tensor:
    """Into another dtype; white stays white."""
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return _dispatch.to_dtype(image, dtype, scale=True)


_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_ALLOWED = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor ``(C, H, W)`` or array ``(H, W, C)`` as a PIL image; floats from 0 to 1 become bytes.

    >>> import rushlight as torch
    >>> to_pil_image(torch.zeros(3, 4, 5)).size
    (5, 4)
    """
    from PIL import Image

    if not isinstance(pic, (Tensor, np.ndarray)):
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    if pic.ndim not in (2, 3):
        raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    if isinstance(pic, Tensor):
        pic = pic.unsqueeze(0) if pic.ndim == 2 else pic
        if pic.shape[-3] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {pic.shape[-3]} channels.")
        if pic.is_floating_point() and mode != "F":
            pic = pic.mul(255).byte()
        values = pic.detach().cpu().numpy().transpose(1, 2, 0)
    else:
        values = pic[:, :, None] if pic.ndim == 2 else pic
        if np.issubdtype(values.dtype, np.floating) and mode != "F":
            values = (values * 255).astype(np.uint8)
        if values.shape[-1] > 4:
            raise ValueError(f"pic should not have > 4 channels. Got {values.shape[-1]} channels.")
    bands = values.shape[2]
    if bands == 1:
        values = values[:, :, 0]
        by_type = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}
        expected = by_type.get(str(values.dtype))
        if mode is not None and mode != expected:
            raise ValueError(f"Incorrect mode ({mode}) supplied for input type {values.dtype}. Should be {expected}")
        mode = expected
    else:
        if mode is not None and mode not in _ALLOWED.get(bands, ()):
            raise ValueError(f"Only modes {list(_ALLOWED[bands])} are supported for {bands}D inputs")
        mode = (mode or _MODES[bands]) if values.dtype == np.uint8 else None
    if mode is None:
        raise TypeError(f"Input type {values.dtype} is not supported")
    values = np.ascontiguousarray(values)
    if mode in ("L", "RGB", "LA", "RGBA", "I;16", "I", "F"):  # what the array says by itself
        made = Image.fromarray(values.view(np.uint16) if values.dtype == np.int16 else values)
        return made
    return Image.frombuffer(mode, (values.shape[1], values.shape[0]), values.tobytes(), "raw", mode, 0, 1)


def resize(
    img: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """To a height and width, or one number for the shorter side."""
    if not isinstance(size, (int, list, tuple)):
        raise TypeError("Got inappropriate size arg")
    if isinstance(size, (list, tuple)):
        if len(size) not in (1, 2):
            raise ValueError(
                f"Size must be an int or a 1 or 2 element tuple/list, not a {len(size)} element tuple/list"
            )
        if max_size is not None and len(size) != 1:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, i.e. size should be an int or a sequence of length 1 in torchscript mode."
            )
    return _dispatch._resize(img, size, interpolation, max_size, antialias, False)


def resized_crop(
    img: Any, top: int, left: int, height: int, width: int, size: Any, interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:  # fmt: skip
    """A part, resized."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def autocontrast(img: Any) -> Any:
    """The darkest becomes black, the brightest white, in each channel."""
    return _dispatch.on_image(img, lambda t: _image.autocontrast(t, by_scale=True), lambda m, i: m.autocontrast(i))


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image without colours."""
    if not is_pil(img):
        raise TypeError("Input should be PIL Image")
    return _dispatch.rgb_to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """Without colours, in one channel or in three that are the same; a tensor of one channel stays as it is."""
    if isinstance(img, Tensor) and img.shape[-3] == 1 and num_output_channels in (1, 3):
        return img.clone()
    return _dispatch.rgb_to_grayscale(img, num_output_channels)


def elastic_transform(
    img: Any, displacement: Tensor, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None
) -> Any:
    """Moves each pixel by a displacement ``(1, H, W, 2)`` in parts of the image."""
    return _dispatch.elastic(img, displacement, interpolation, fill)


def _get_inverse_affine_matrix(center, angle, translate, scale, shear, inverted=True) -> list[float]:
    return _image.inverse_affine_matrix(center, angle, translate, scale, shear, inverted)


def _get_perspective_coeffs(startpoints: Sequence, endpoints: Sequence) -> list[float]:
    return _image.perspective_coefficients(startpoints, endpoints)
