"""What both versions of the transforms do with their options, and how they draw: in PyTorch's order, so that a seed gives the same."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import rushlight as torch

from ._dispatch import pair


def uniform(low: float, high: float) -> float:
    return float(torch.empty(1).uniform_(float(low), float(high)).item())


def chance(p: float) -> bool:
    return bool(torch.rand(1) < p)


def below(high: int, low: int = 0) -> int:
    """A whole number from low to high - 1."""
    return int(torch.randint(low, high, size=(1,)).item())


def two(size: Any, error: str = "Please provide only two dimensions (h, w) for size.") -> tuple[int, int]:
    """(height, width)."""
    try:
        high, wide = pair(size)
    except ValueError:
        raise ValueError(error) from None
    return high, wide


def interval(
    value: Any, name: str, around: float = 1.0, bound: Sequence[float] = (0.0, float("inf")), clip: bool = True
) -> Any:
    """(low, high) from a number, which goes both ways from ``around``, or from two; None where nothing would change."""
    if isinstance(value, numbers.Number):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        value = [around - float(value), around + float(value)]
        if clip:
            value[0] = max(value[0], 0.0)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        value = [float(v) for v in value]
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2.")
    if not bound[0] <= value[0] <= value[1] <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {value}.")
    return None if value[0] == value[1] == around else tuple(value)


def angles(x: Any, name: str, lengths: Sequence[int] = (2,)) -> list[float]:
    """Degrees from -x to x, or as they are."""
    if isinstance(x, numbers.Number):
        if x < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [float(-x), float(x)]
    if not isinstance(x, (tuple, list)):
        raise TypeError(f"{name} should be a sequence of length {' or '.join(map(str, lengths))}.")
    if len(x) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {' or '.join(map(str, lengths))}.")
    return [float(v) for v in x]


def resized_crop_params(
    height: int, width: int, scale: Sequence[float], ratio: Sequence[float]
) -> tuple[int, int, int, int]:
    """A part of an area and a shape within those intervals; the middle if ten tries don't fit."""
    area = height * width
    log_ratio = torch.log(torch.tensor(ratio))
    for _ in range(10):
        target = area * torch.empty(1).uniform_(scale[0], scale[1]).item()
        aspect = torch.exp(torch.empty(1).uniform_(log_ratio[0].item(), log_ratio[1].item())).item()
        w, h = int(round(math.sqrt(target * aspect))), int(round(math.sqrt(target / aspect)))
        if 0 < w <= width and 0 < h <= height:
            top = below(height - h + 1)
            return top, below(width - w + 1), h, w
    own = float(width) / float(height)
    if own < min(ratio):
        w, h = width, int(round(width / min(ratio)))
    elif own > max(ratio):
        h, w = height, int(round(height * max(ratio)))
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


def affine_params(degrees: Sequence[float], translate: Any, scale: Any, shears: Any, width: int, height: int) -> tuple:
    """(angle, (x, y), scale, (shear x, shear y))."""
    angle = uniform(degrees[0], degrees[1])
    moved = (0, 0)
    if translate is not None:
        across, down = float(translate[0] * width), float(translate[1] * height)
        x = int(round(uniform(-across, across)))
        moved = (x, int(round(uniform(-down, down))))
    by = uniform(scale[0], scale[1]) if scale is not None else 1.0
    shear_x = shear_y = 0.0
    if shears is not None:
        shear_x = uniform(shears[0], shears[1])
        if len(shears) == 4:
            shear_y = uniform(shears[2], shears[3])
    return angle, moved, by, (shear_x, shear_y)


def perspective_params(width: int, height: int, distortion: float) -> tuple[list, list]:
    """The corners, and where they go."""
    across, down = int(distortion * (width // 2)), int(distortion * (height // 2))
    corners = [
        [below(across + 1), below(down + 1)],
        [below(width, width - across - 1), below(down + 1)],
        [below(width, width - across - 1), below(height, height - down - 1)],
        [below(across + 1), below(height, height - down - 1)],
    ]
    return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], corners


def erasing_params(shape: Sequence[int], scale: Sequence[float], ratio: Sequence[float], value: Any) -> Any:
    """(i, j, h, w, v), or None if ten tries don't fit. ``value`` None: random numbers."""
    c, height, width = shape
    log_ratio = torch.log(torch.tensor(ratio))
    for _ in range(10):
        area = height * width * torch.empty(1).uniform_(scale[0], scale[1]).item()
        aspect = torch.exp(torch.empty(1).uniform_(log_ratio[0].item(), log_ratio[1].item())).item()
        h, w = int(round(math.sqrt(area * aspect))), int(round(math.sqrt(area / aspect)))
        if not (h < height and w < width):
            continue
        v = (
            torch.empty([c, h, w], dtype=torch.float32).normal_()
            if value is None
            else torch.tensor(value)[:, None, None]
        )
        i = below(height - h + 1)
        return i, below(width - w + 1), h, w, v
    return None


def jitter_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple:
    """The order, and a factor each."""
    order = torch.randperm(4)
    return (order, *(None if r is None else uniform(r[0], r[1]) for r in (brightness, contrast, saturation, hue)))


def elastic_displacement(size: Sequence[int], alpha: Sequence[float], sigma: Sequence[float]) -> Any:
    """``(1, H, W, 2)``, smoothed by sigma, times alpha."""
    from ._dispatch import gaussian_blur

    moved = []
    for s, a, n in zip(sigma, alpha, reversed(list(size))):
        d = torch.rand([1, 1] + list(size)) * 2 - 1
        if s > 0.0:
            kernel = int(8 * s + 1)
            kernel += 1 - kernel % 2
            d = gaussian_blur(d, [kernel, kernel], list(sigma))
        moved.append(d * a / n)
    return torch.concat(moved, 1).permute([0, 2, 3, 1])
