"""Transforms of images as tensors ``(..., C, H, W)``: what they compute. Who calls them has looked at the arguments."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import rushlight as torch
from rushlight import Tensor
from rushlight.nn import functional as F

MAX = {
    torch.uint8: 255,
    torch.int8: 127,
    torch.int16: 32767,
    torch.int32: 2**31 - 1,
    torch.int64: 2**63 - 1,
    torch.uint16: 65535,
}


def max_of(dtype) -> float:
    """The value that stands for white."""
    return 1 if dtype.is_floating_point else MAX.get(dtype, 1)


def channels(image: Tensor, op: str, allowed: Sequence[int]) -> int:
    c = image.shape[-3]
    if c not in allowed:
        raise TypeError(f"{op}: input image tensor permitted channel values are {list(allowed)}, but found {c}")
    return c


# ---- values --------------------------------------------------------------------------------------------------------


def to_dtype(image: Tensor, dtype, scale: bool = True) -> Tensor:
    """Into another dtype; with ``scale`` white stays white."""
    have = image.dtype
    if have == dtype or not scale:
        return image.to(dtype)
    if have.is_floating_point and dtype.is_floating_point:
        return image.to(dtype)
    if have.is_floating_point:
        if (have == torch.float32 and dtype in (torch.int32, torch.int64)) or (
            have == torch.float64 and dtype == torch.int64
        ):
            raise RuntimeError(f"The conversion from {have} to {dtype} cannot be performed safely.")
        return image.mul(max_of(dtype) + 1.0 - 1e-3).to(dtype)  # the interval of each integer is as long as the others
    if dtype.is_floating_point:
        return image.to(dtype).div_(max_of(have))
    bits = {torch.uint8: 8, torch.int8: 7, torch.int16: 15, torch.uint16: 16, torch.int32: 31, torch.int64: 63}
    by = bits[have] - bits[dtype]
    return image.bitwise_right_shift(by).to(dtype) if by > 0 else image.to(dtype).bitwise_left_shift_(-by)


def normalize(image: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(image - mean) / std`` by channel."""
    if not image.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {image.dtype}.")
    if image.ndim < 3:
        raise ValueError(f"Expected tensor to be a tensor image of size (..., C, H, W). Got {tuple(image.shape)}.")
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        mean, std = _mean_std.__wrapped__(mean, std, image.dtype, image.device)
    else:
        mean, std = _mean_std(tuple(mean), tuple(std), image.dtype, image.device)
    image = image.sub_(mean) if inplace else image.sub(mean)
    return image.div_(std)


@functools.lru_cache(maxsize=32)
def _mean_std(mean: Any, std: Any, dtype, device) -> tuple[Tensor, Tensor]:
    mean, std = (torch.as_tensor(v, dtype=dtype, device=device) for v in (mean, std))
    if (std == 0).any():
        raise ValueError(f"std evaluated to zero after conversion to {dtype}, leading to division by zero.")
    return tuple(v.view(-1, 1, 1) if v.ndim == 1 else v for v in (mean, std))  # type: ignore[return-value]


def _blend(image: Tensor, other: Tensor, ratio: float) -> Tensor:
    bound = max_of(image.dtype)
    ratio = float(ratio)  # bytes times a whole number would be bytes
    out = image.mul(ratio).add(other, alpha=1.0 - ratio).clamp_(0, bound)
    return out if image.is_floating_point() else out.to(image.dtype)


def grayscale(image: Tensor, outputs: int = 1, keep_dtype: bool = True) -> Tensor:
    """What an eye sees of the colours."""
    if image.shape[-3] != 1:
        r, g, b = image.unbind(-3)
        gray = r.mul(0.2989).add_(g, alpha=0.587).add_(b, alpha=0.114).unsqueeze(-3)
        gray = gray.to(image.dtype) if keep_dtype else gray
    else:
        gray = image.clone()
    return gray.expand(*gray.shape[:-3], 3, -1, -1) if outputs == 3 else gray


def adjust_brightness(image: Tensor, factor: float) -> Tensor:
    channels(image, "adjust_brightness", (1, 3))
    out = image.mul(float(factor)).clamp_(0, max_of(image.dtype))
    return out if image.is_floating_point() else out.to(image.dtype)


def _gray_floor(image: Tensor) -> Tensor:
    gray = grayscale(image, keep_dtype=False) if image.shape[-3] == 3 else image
    return gray if image.is_floating_point() else gray.floor() if gray.is_floating_point() else gray


def adjust_saturation(image: Tensor, factor: float) -> Tensor:
    if channels(image, "adjust_saturation", (1, 3)) == 1:
        return image
    return _blend(image, _gray_floor(image), factor)


def adjust_contrast(image: Tensor, factor: float) -> Tensor:
    channels(image, "adjust_contrast", (1, 3))
    gray = _gray_floor(image)
    mean = (gray if gray.is_floating_point() else gray.to(torch.float32)).mean(dim=(-3, -2, -1), keepdim=True)
    return _blend(image, mean, factor)


def adjust_sharpness(image: Tensor, factor: float) -> Tensor:
    c = channels(image, "adjust_sharpness", (1, 3))
    height, width = image.shape[-2:]
    if height <= 2 or width <= 2 or image.numel() == 0:
        return image
    dtype = image.dtype if image.is_floating_point() else torch.float32
    kernel = torch.full((3, 3), 1.0 / 13.0, dtype=dtype, device=image.device)
    kernel[1, 1] = 5.0 / 13.0
    planes = image.reshape(-1, c, height, width)
    smooth = F.conv2d(planes.to(dtype), kernel.expand(c, 1, 3, 3), groups=c)
    if not image.is_floating_point():
        smooth = smooth.round_()
    blurred = planes.to(dtype, copy=True)
    blurred[..., 1:-1, 1:-1] = smooth  # of the border there is no neighbourhood
    return _blend(planes, blurred, factor).reshape(image.shape)


def _rgb_to_hsv(image: Tensor) -> Tensor:
    r, g, _ = image.unbind(-3)
    low, high = torch.aminmax(image, dim=-3)
    chroma, gray = high - low, high == low
    ones = torch.ones_like(high)
    saturation = chroma / torch.where(gray, ones, high)
    by = torch.where(gray, ones, chroma).unsqueeze(-3)
    rc, gc, bc = ((high.unsqueeze(-3) - image) / by).unbind(-3)
    is_r, is_g = high == r, (high == g) & (high != r)
    hue = bc.sub(gc).mul(is_r) + rc.add(2.0).sub(bc).mul(is_g) + gc.add(4.0).sub(rc).mul(~(is_r | is_g))
    hue = hue.mul(1.0 / 6.0).add(1.0).fmod(1.0)
    return torch.stack((hue, saturation, high), dim=-3)


def _hsv_to_rgb(image: Tensor) -> Tensor:
    h, s, v = image.unbind(-3)
    h6 = h.mul(6)
    i = torch.floor(h6)
    f = h6.sub(i)
    i = i.to(torch.int32)
    sxf, one_s = s * f, 1.0 - s
    q, t, p = (1.0 - sxf).mul(v).clamp(0.0, 1.0), sxf.add(one_s).mul(v).clamp(0.0, 1.0), one_s.mul(v).clamp(0.0, 1.0)
    i = i.remainder(6)
    mask = i.unsqueeze(-3) == torch.arange(6, device=image.device).view(-1, 1, 1)
    choices = torch.stack(
        [torch.stack(c, -3) for c in ((v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q))], -4
    )
    return (choices * mask.unsqueeze(-4).to(choices.dtype)).sum(-3)


def adjust_hue(image: Tensor, factor: float) -> Tensor:
    if not -0.5 <= factor <= 0.5:
        raise ValueError(f"hue_factor ({factor}) is not in [-0.5, 0.5].")
    if channels(image, "adjust_hue", (1, 3)) == 1 or image.numel() == 0:
        return image
    hsv = _rgb_to_hsv(to_dtype(image, torch.float32))
    hue, saturation, value = hsv.unbind(-3)
    return to_dtype(_hsv_to_rgb(torch.stack((hue.add(factor).remainder(1.0), saturation, value), -3)), image.dtype)


def adjust_gamma(image: Tensor, gamma: float, gain: float = 1.0) -> Tensor:
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    out = image if image.is_floating_point() else to_dtype(image, torch.float32)
    out = out.pow(gamma)
    if gain != 1.0:
        out = out.mul_(gain)
    return to_dtype(out.clamp_(0.0, 1.0), image.dtype)


def invert(image: Tensor) -> Tensor:
    if image.is_floating_point():
        return 1.0 - image
    return image.bitwise_not() if image.dtype == torch.uint8 else max_of(image.dtype) - image


def posterize(image: Tensor, bits: int) -> Tensor:
    if image.is_floating_point():
        levels = 1 << bits
        return image.mul(levels).floor_().clamp_(0, levels - 1).mul_(1.0 / levels)
    depth = {torch.uint8: 8}.get(image.dtype, max(MAX[image.dtype].bit_length(), 1))
    if bits >= depth:
        return image
    return image & (((1 << bits) - 1) << (depth - bits))


def solarize(image: Tensor, threshold: float) -> Tensor:
    if threshold > max_of(image.dtype):
        raise TypeError(f"Threshold should be less or equal the maximum value of the dtype, but got {threshold}")
    return torch.where(image >= threshold, invert(image), image)


def autocontrast(image: Tensor, by_scale: bool = False) -> Tensor:
    """``by_scale`` rounds as version 1 does, which multiplies where version 2 divides."""
    channels(image, "autocontrast", (1, 3))
    if image.numel() == 0:
        return image
    bound = max_of(image.dtype)
    wide = image if image.is_floating_point() else image.to(torch.float32)
    low, high = wide.amin(dim=(-2, -1), keepdim=True), wide.amax(dim=(-2, -1), keepdim=True)
    same = high == low
    if by_scale:
        scale = torch.where(same, torch.ones_like(high), bound / (high - low))
        return wide.sub(torch.where(same, torch.zeros_like(low), low)).mul_(scale).clamp_(0, bound).to(image.dtype)
    inverse = (high - low).mul_(1.0 / bound)
    low = torch.where(same, torch.zeros_like(low), low)
    inverse = torch.where(same, torch.ones_like(inverse), inverse)
    return wide.sub(low).div_(inverse).clamp_(0, bound).to(image.dtype)


def equalize(image: Tensor) -> Tensor:
    if image.numel() == 0:
        return image
    if image.dtype != torch.uint8:
        return to_dtype(equalize(to_dtype(image, torch.uint8)), image.dtype)
    planes = image.flatten(start_dim=-2).to(torch.int64)
    counts = planes.new_zeros((*planes.shape[:-1], 256)).scatter_add_(-1, planes, planes.new_ones(1).expand_as(planes))
    sums = counts.cumsum(-1)
    # Pixels of the brightest value that occurs are not counted.
    last = sums.argmax(-1, keepdim=True)
    step = (sums[..., -1:] - counts.gather(-1, last)).div(255, rounding_mode="floor")
    flat = step == 0
    table = (sums + step.div(2, rounding_mode="floor")).div(
        torch.where(flat, torch.ones_like(step), step), rounding_mode="floor"
    )
    table = F.pad(table, [1, 0])[..., :-1].clamp_(0, 255)
    out = torch.where(flat, planes, table.gather(-1, planes))
    return out.to(torch.uint8).reshape(image.shape)


# ---- geometry ----------------------------------------------------------------------------------------------------------


def _as_batch(image: Tensor) -> tuple[Tensor, torch.Size]:
    shape = image.shape
    return image.reshape(-1, *shape[-3:]) if image.ndim != 4 else image, shape


def resize(image: Tensor, size: Sequence[int], mode: str, antialias: bool = True, whole: bool = True) -> Tensor:
    """To exactly that size. ``whole``: bytes are computed as bytes (as PIL does), otherwise as floats, and rounded."""
    shape = image.shape
    if list(shape[-2:]) == list(size) or image.numel() == 0:
        return image if image.numel() else image.new_empty((*shape[:-2], *size))
    planes, _ = _as_batch(image)
    smooth = mode in ("bilinear", "bicubic")
    cast = not image.is_floating_point() and not (image.dtype == torch.uint8 and (whole or not smooth))
    wide = planes.to(torch.float32) if cast else planes
    kwargs: dict[str, Any] = {"align_corners": False, "antialias": antialias} if smooth else {}
    out = F.interpolate(wide, size=list(size), mode=mode, **kwargs)
    if cast:
        if mode == "bicubic" and image.dtype == torch.uint8:
            out = out.clamp_(0, 255)
        out = out.round_().to(image.dtype)
    return out.reshape(*shape[:-2], *out.shape[-2:])


def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    h, w = image.shape[-2:]
    bottom, right = top + height, left + width
    if top >= 0 and left >= 0 and bottom <= h and right <= w:
        return image[..., top:bottom, left:right]
    image = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    padding = [
        min(max(-left, 0), width),
        min(max(right - max(w, left), 0), width),
        min(max(-top, 0), height),
        min(max(bottom - max(h, top), 0), height),
    ]
    return F.pad(image, padding, mode="constant", value=0.0)


def four(padding: Any) -> list[int]:
    """left, top, right, bottom from one, two or four numbers."""
    if isinstance(padding, int):
        return [padding] * 4
    padding = list(padding)
    if len(padding) == 1:
        return padding * 4
    if len(padding) == 2:
        return padding * 2
    if len(padding) != 4:
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple")
    return padding


def pad(image: Tensor, padding: Any, fill: Any = 0, mode: str = "constant") -> Tensor:
    """``padding``: one number, (left and right, top and bottom), or left, top, right, bottom."""
    left, top, right, bottom = four(padding)
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"Padding mode should be either constant, edge, reflect or symmetric, got {mode}")
    if not any((left, top, right, bottom)):
        return image
    fill = 0 if fill is None else fill
    if mode == "constant":
        if isinstance(fill, (int, float)):
            return F.pad(image, [left, right, top, bottom], value=fill)
        fill = torch.tensor(fill, dtype=image.dtype, device=image.device).view(-1, 1, 1)
        if fill.numel() == 1:
            return F.pad(image, [left, right, top, bottom], value=fill.item())
        h, w = image.shape[-2:]
        out = fill.expand(
            *image.shape[:-3], max(fill.shape[0], image.shape[-3]), h + top + bottom, w + left + right
        ).clone()
        inside = image[..., max(-top, 0) : h + min(bottom, 0), max(-left, 0) : w + min(right, 0)]
        out[..., max(top, 0) : max(top, 0) + inside.shape[-2], max(left, 0) : max(left, 0) + inside.shape[-1]] = inside
        return out
    h, w = image.shape[-2:]
    if min(left, top, right, bottom) < 0:  # cut first
        image = crop(
            image, max(-top, 0), max(-left, 0), h + min(top, 0) + min(bottom, 0), w + min(left, 0) + min(right, 0)
        )
        return pad(image, [max(v, 0) for v in (left, top, right, bottom)], fill, mode)
    rows, columns = torch.arange(-top, h + bottom), torch.arange(-left, w + right)
    for index, n in ((rows, h), (columns, w)):
        if mode == "edge":
            index.clamp_(0, n - 1)
        elif mode == "reflect":
            if max(-int(index[0]), int(index[-1]) - n + 1) >= n:
                raise RuntimeError(
                    f"pad: reflection needs padding smaller than the image, got {[left, top, right, bottom]} for {h} x {w}"
                )
            index.copy_((n - 1) - (n - 1 - index.abs()).abs())
        else:  # the border itself is repeated
            index.copy_(torch.where(index < 0, -index - 1, torch.where(index >= n, 2 * n - 1 - index, index)))
    return image[..., rows[:, None], columns[None, :]]


def inverse_affine_matrix(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    inverted: bool = True,
) -> list[float]:
    """Of T(translate) C R(angle) Sh(shear) S(scale) C^-1 the inverse, as six numbers; degrees."""
    rot, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    (cx, cy), (tx, ty) = center, translate
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    if inverted:
        m = [x / scale for x in (d, -b, 0.0, -c, a, 0.0)]
        m[2] += m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
        m[5] += m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
        return m
    m = [x * scale for x in (a, b, 0.0, c, d, 0.0)]
    m[2] += m[0] * -cx + m[1] * -cy + cx + tx
    m[5] += m[3] * -cx + m[4] * -cy + cy + ty
    return m


def affine_output_size(matrix: Sequence[float], width: int, height: int) -> tuple[int, int]:
    """(width, height) that hold the whole turned image."""
    corners = torch.tensor([[-0.5 * width, -0.5 * height, 1.0], [-0.5 * width, 0.5 * height, 1.0],
                            [0.5 * width, 0.5 * height, 1.0], [0.5 * width, -0.5 * height, 1.0]])  # fmt: skip
    moved = torch.matmul(corners, torch.tensor(matrix, dtype=torch.float).view(2, 3).T)
    low, high = moved.amin(0), moved.amax(0)
    # An image that just touches a pixel does not need it.
    half = torch.tensor([width * 0.5, height * 0.5])
    eps = 1e-4
    low = torch.trunc((low + half) / eps) * eps
    high = torch.trunc((high + half) / eps) * eps
    size = torch.ceil(high) - torch.floor(low)
    return int(size[0]), int(size[1])


def affine_grid(
    matrix: Sequence[float], width: int, height: int, out_width: int, out_height: int, dtype, device=None
) -> Tensor:
    theta = torch.tensor(matrix, dtype=dtype, device=device).view(1, 2, 3)
    d = 0.5
    base = torch.empty((1, out_height, out_width, 3), dtype=dtype, device=device)
    base[..., 0].copy_(
        torch.linspace((1.0 - out_width) * d, (out_width - 1.0) * d, out_width, dtype=dtype, device=device)
    )
    base[..., 1].copy_(
        torch.linspace(
            (1.0 - out_height) * d, (out_height - 1.0) * d, out_height, dtype=dtype, device=device
        ).unsqueeze(-1)
    )
    base[..., 2].fill_(1)
    rescaled = theta.transpose(1, 2) / torch.tensor([0.5 * width, 0.5 * height], dtype=dtype, device=device)
    return _products(base.view(-1, 3), rescaled[0]).view(1, out_height, out_width, 2)


def _products(points: Tensor, matrix: Tensor) -> Tensor:
    """``(x, y, 1) @ matrix``, each step rounded: pixels between two others are of one or the other by the last bit."""
    return points[:, 0:1] * matrix[0] + points[:, 1:2] * matrix[1] + matrix[2]


def perspective_grid(coeffs: Sequence[float], out_width: int, out_height: int, dtype, device=None) -> Tensor:
    theta1 = torch.tensor(
        [[[coeffs[0], coeffs[1], coeffs[2]], [coeffs[3], coeffs[4], coeffs[5]]]], dtype=dtype, device=device
    )
    theta2 = torch.tensor([[[coeffs[6], coeffs[7], 1.0], [coeffs[6], coeffs[7], 1.0]]], dtype=dtype, device=device)
    d = 0.5
    base = torch.empty((1, out_height, out_width, 3), dtype=dtype, device=device)
    base[..., 0].copy_(torch.linspace(d, out_width + d - 1.0, out_width, dtype=dtype, device=device))
    base[..., 1].copy_(torch.linspace(d, out_height + d - 1.0, out_height, dtype=dtype, device=device).unsqueeze(-1))
    base[..., 2].fill_(1)
    rescaled = theta1.transpose(1, 2).div(torch.tensor([0.5 * out_width, 0.5 * out_height], dtype=dtype, device=device))
    points = base.view(1, -1, 3)
    scaled, depth = (_products(points[0], m[0]) for m in (rescaled, theta2.transpose(1, 2)))
    return (scaled / depth - 1.0).view(1, out_height, out_width, 2)


def sample(image: Tensor, grid: Tensor, mode: str, fill: Any = None) -> Tensor:
    """The image where the grid says; outside of it is ``fill``, a number or one for each channel."""
    shape = image.shape
    planes, _ = _as_batch(image)
    wide = planes if image.is_floating_point() else planes.to(torch.float32)
    n = wide.shape[0]
    if n > 1:
        grid = grid.expand(n, -1, -1, -1)
    if fill is not None:
        wide = torch.cat((wide, wide.new_ones((n, 1, *wide.shape[-2:]))), dim=1)
    out = F.grid_sample(wide, grid.to(wide.dtype), mode=mode, padding_mode="zeros", align_corners=False)
    if fill is not None:
        out, mask = out.tensor_split([-1], dim=-3)
        if isinstance(fill, (list, tuple)) and len(fill) not in (1, out.shape[-3]):
            raise ValueError(
                "The number of elements in 'fill' cannot broadcast to match the number of channels of the image "
                f"({len(fill)} != {out.shape[-3]})"
            )
        fill = torch.tensor(
            fill if isinstance(fill, (list, tuple)) else [float(fill)], dtype=out.dtype, device=out.device
        ).view(1, -1, 1, 1)
        if mode == "nearest":
            out = torch.where(mask.expand_as(out) < 0.5, fill.expand_as(out), out)
        else:
            out = (out - fill).mul_(mask).add_(fill)
    if not image.is_floating_point():
        out = out.round_().to(image.dtype)
    return out.reshape(*shape[:-3], *out.shape[-3:])


def perspective_coefficients(startpoints: Sequence, endpoints: Sequence) -> list[float]:
    """The eight numbers of the map that takes the second four points to the first."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and {len(endpoints)} endpoints."
        )
    rows = []
    for (sx, sy), (ex, ey) in zip(startpoints, endpoints):
        rows.append([ex, ey, 1, 0, 0, 0, -sx * ex, -sx * ey])
        rows.append([0, 0, 0, ex, ey, 1, -sy * ex, -sy * ey])
    a = torch.tensor(rows, dtype=torch.float64)
    b = torch.tensor([v for p in startpoints for v in p], dtype=torch.float64)
    return torch.linalg.lstsq(a, b, driver="gels").solution.to(torch.float32).tolist()


def gaussian_blur(image: Tensor, kernel_size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    if image.numel() == 0:
        return image
    dtype = image.dtype if image.is_floating_point() else torch.float32

    def kernel(size: int, s: float) -> Tensor:
        limit = (size - 1) / (2 * math.sqrt(2))
        x = torch.linspace(-limit, limit, size, dtype=dtype, device=image.device)
        return torch.softmax(x.div(s).pow(2).neg(), dim=0)

    weights = kernel(kernel_size[1], sigma[1]).unsqueeze(-1) * kernel(kernel_size[0], sigma[0])
    planes, shape = _as_batch(image)
    c = planes.shape[-3]
    half_x, half_y = kernel_size[0] // 2, kernel_size[1] // 2
    out = F.pad(planes.to(dtype), [half_x, half_x, half_y, half_y], mode="reflect")
    out = F.conv2d(out, weights.expand(c, 1, *weights.shape), groups=c).reshape(shape)
    return out if image.is_floating_point() else out.round_().to(image.dtype)


def elastic_grid(displacement: Tensor, height: int, width: int) -> Tensor:
    """Where each pixel of a moved image comes from."""
    x = torch.linspace((-width + 1) / width, (width - 1) / width, width, dtype=displacement.dtype)
    y = torch.linspace((-height + 1) / height, (height - 1) / height, height, dtype=displacement.dtype)
    base = torch.stack((x.expand(height, -1), y.unsqueeze(-1).expand(-1, width)), -1).unsqueeze(0)
    return base + displacement


def erase(image: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    if not inplace:
        image = image.clone()
    image[..., i : i + h, j : j + w] = v
    return image
