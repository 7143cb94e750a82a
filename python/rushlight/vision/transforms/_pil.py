"""Transforms of PIL images: what torchvision asks PIL for. PIL is imported when the first image comes, which somebody has made by then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

_MODES = {"nearest": 0, "nearest-exact": 0, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5, "lanczos": 1}


def _filter(mode: str) -> Any:
    return Image.Resampling(_MODES[mode])


def channels(image: Any) -> int:
    return {"L": 1, "1": 1, "I": 1, "F": 1, "I;16": 1}.get(image.mode, len(image.getbands()))


def color(fill: Any, image: Any, name: str = "fillcolor") -> dict[str, Any]:
    """The argument that says what is outside."""
    bands = channels(image)
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)) and bands > 1:
        fill = (fill,) * bands
    if isinstance(fill, (list, tuple)):
        if len(fill) == 1:
            fill = fill * bands
        if len(fill) != bands:
            raise ValueError(
                f"The number of elements in 'fill' does not match the number of channels of the image ({len(fill)} != {bands})"
            )
        fill = tuple(fill) if bands > 1 else fill[0]
    if image.mode != "F":
        fill = tuple(int(v) for v in fill) if isinstance(fill, tuple) else int(fill)
    return {name: fill}


def resize(image: Any, size: Sequence[int], mode: str) -> Any:
    return image.resize((size[1], size[0]), _filter(mode))


def crop(image: Any, top: int, left: int, height: int, width: int) -> Any:
    return image.crop((left, top, left + width, top + height))


def hflip(image: Any) -> Any:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def vflip(image: Any) -> Any:
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def pad(image: Any, padding: Sequence[int], fill: Any, mode: str) -> Any:
    left, top, right, bottom = padding
    if mode == "constant":
        options = color(fill, image, "fill")
        if image.mode == "P":
            palette = image.getpalette()
            image = ImageOps.expand(image, border=tuple(padding), **options)
            image.putpalette(palette)
            return image
        return ImageOps.expand(image, border=tuple(padding), **options)
    if min(padding) < 0:
        image = image.crop((max(-left, 0), max(-top, 0), image.width - max(-right, 0), image.height - max(-bottom, 0)))
        left, top, right, bottom = (max(v, 0) for v in padding)
    palette = image.getpalette() if image.mode == "P" else None
    values = np.asarray(image)
    around = ((top, bottom), (left, right), *(((0, 0),) if values.ndim == 3 else ()))
    out = Image.fromarray(np.pad(values, around, mode))
    if palette is not None:
        out.putpalette(palette)
    return out


def affine(image: Any, matrix: Sequence[float], mode: str, fill: Any) -> Any:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, _filter(mode), **color(fill, image))


def rotate(image: Any, angle: float, mode: str, expand: bool, center: Any, fill: Any) -> Any:
    return image.rotate(angle, _filter(mode), expand, center, **color(fill, image))


def perspective(image: Any, coefficients: Sequence[float], mode: str, fill: Any) -> Any:
    return image.transform(image.size, Image.Transform.PERSPECTIVE, coefficients, _filter(mode), **color(fill, image))


def grayscale(image: Any, outputs: int) -> Any:
    gray = image.convert("L")
    if outputs == 1:
        return gray
    if outputs != 3:
        raise ValueError(f"num_output_channels should be either 1 or 3, got {outputs}")
    values = np.asarray(gray, dtype=np.uint8)
    return Image.fromarray(np.dstack([values] * 3))


def adjust_brightness(image: Any, factor: float) -> Any:
    return ImageEnhance.Brightness(image).enhance(factor)


def adjust_contrast(image: Any, factor: float) -> Any:
    return ImageEnhance.Contrast(image).enhance(factor)


def adjust_saturation(image: Any, factor: float) -> Any:
    return ImageEnhance.Color(image).enhance(factor)


def adjust_sharpness(image: Any, factor: float) -> Any:
    return ImageEnhance.Sharpness(image).enhance(factor)


def adjust_hue(image: Any, factor: float) -> Any:
    if not -0.5 <= factor <= 0.5:
        raise ValueError(f"hue_factor ({factor}) is not in [-0.5, 0.5].")
    if image.mode in ("L", "1", "I", "F"):
        return image
    h, s, v = image.convert("HSV").split()
    turned = np.array(h, dtype=np.uint8)
    turned = (turned.astype(np.int32) + int(factor * 255)).astype(np.uint8)  # goes round
    return Image.merge("HSV", (Image.fromarray(turned, "L"), s, v)).convert(image.mode)


def adjust_gamma(image: Any, gamma: float, gain: float) -> Any:
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    table = [int((255 + 1 - 1e-3) * gain * pow(v / 255.0, gamma)) for v in range(256)] * 3
    return image.convert("RGB").point(table).convert(image.mode)


invert, autocontrast, equalize = ImageOps.invert, ImageOps.autocontrast, ImageOps.equalize


def posterize(image: Any, bits: int) -> Any:
    return ImageOps.posterize(image, bits)


def solarize(image: Any, threshold: int) -> Any:
    return ImageOps.solarize(image, threshold)
