"""The functions of transforms, for whatever comes: tensors and PIL images, and what tv_tensors name.

An image is computed by `_image` or `_pil`. Geometry moves masks (never between classes), boxes and points as well; colours leave them alone.
"""

from __future__ import annotations

import enum
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch
from rushlight import Tensor

from .. import tv_tensors as tv
from ..ops.boxes import _rotated_from_corners, box_convert
from . import _image


class InterpolationMode(enum.Enum):
    """How pixels between pixels are found; the last three are PIL's only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_OF_PIL = {0: "NEAREST", 2: "BILINEAR", 3: "BICUBIC", 4: "BOX", 5: "HAMMING", 1: "LANCZOS"}


def mode_of(interpolation: Any, op: str = "interpolation") -> str:
    """ "bilinear", from the enum, its value, or PIL's number."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation.value
    if isinstance(interpolation, int):
        return InterpolationMode[_OF_PIL[int(interpolation)]].value
    if isinstance(interpolation, str):
        return InterpolationMode(interpolation.lower()).value
    raise TypeError(
        f"{op}: Argument interpolation should be a InterpolationMode or a corresponding Pillow integer constant, got {interpolation!r}"
    )


def is_pil(x: Any) -> bool:
    return not isinstance(x, Tensor) and any(
        c.__module__ == "PIL.Image" and c.__name__ == "Image" for c in type(x).__mro__
    )


def kind_of(x: Any) -> str:
    """ "image", "pil", "mask", "boxes" or "points"; raises TypeError for others."""
    if isinstance(x, Tensor):
        if isinstance(x, tv.TVTensor):
            return (
                "mask"
                if isinstance(x, tv.Mask)
                else "boxes"
                if isinstance(x, tv.BoundingBoxes)
                else "points"
                if isinstance(x, tv.KeyPoints)
                else "image"
            )
        return "image"
    if is_pil(x):
        return "pil"
    raise TypeError(f"img should be PIL Image or Tensor (an image, mask, boxes or points of tv_tensors), got {type(x)}")


def plain(x: Tensor) -> Tensor:
    return x.as_subclass(Tensor) if type(x) is not Tensor else x


def back(out: Tensor, like: Any, **meta: Any) -> Any:
    return tv.wrap(out, like=like, **meta) if isinstance(like, tv.TVTensor) else out


def pil():
    from . import _pil

    return _pil


def on_image(x: Any, of_tensor: Callable, of_pil: Callable | None = None) -> Any:
    """Colours: only images change."""
    kind = kind_of(x)
    if kind == "image":
        return back(of_tensor(plain(x)), x)
    if kind == "pil":
        if of_pil is None:
            raise TypeError(f"img should be Tensor. Got {type(x)}")
        return of_pil(pil(), x)
    return x


# ---- sizes ---------------------------------------------------------------------------------------------------------


def get_size(x: Any) -> list[int]:
    """[height, width]."""
    kind = kind_of(x)
    if kind == "pil":
        return [x.height, x.width]
    if kind in ("boxes", "points"):
        return list(x.canvas_size)
    if x.ndim < 2:
        raise TypeError("Tensor is not a torch image.")
    return list(x.shape[-2:])


def get_num_channels(x: Any) -> int:
    """How many channels an image has."""
    if kind_of(x) == "pil":
        return pil().channels(x)
    if x.ndim == 2:
        return 1
    if x.ndim > 2:
        return x.shape[-3]
    raise TypeError(f"Input ndim should be 2 or more. Got {x.ndim}")


def get_dimensions(x: Any) -> list[int]:
    """[channels, height, width]."""
    return [get_num_channels(x), *get_size(x)]


def new_size(height: int, width: int, size: Any, max_size: int | None = None) -> list[int]:
    """[height, width] of what Resize(size, max_size) makes of an image."""
    if isinstance(size, numbers.Integral):
        size = [int(size)]
    if size is not None and len(size) == 2:
        if max_size is not None:
            raise ValueError(
                "max_size should only be passed if size specifies the length of the smaller edge, i.e. size should be an int or a sequence of length 1 in torchscript mode."
            )
        return [int(size[0]), int(size[1])]
    short, long = min(height, width), max(height, width)
    if size is None:
        if max_size is None:
            raise ValueError("max_size must be an integer when size is None.")
        new_short, new_long = int(max_size * short / long), max_size
    else:
        new_short, new_long = size[0], int(size[0] * long / short)
        if max_size is not None:
            if max_size <= size[0]:
                raise ValueError(
                    f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge size = {size[0]}"
                )
            if new_long > max_size:
                new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]


# ---- boxes and points ------------------------------------------------------------------------------------------------


def _corners(boxes: Tensor, format: tv.BoundingBoxFormat) -> Tensor:
    """``(N, 4, 2)``, in floats."""
    boxes = boxes if boxes.is_floating_point() else boxes.float()
    name = format.value.lower()
    if tv.is_rotated_bounding_format(format):
        return box_convert(boxes, name, "xyxyxyxy").view(-1, 4, 2)
    x1, y1, x2, y2 = box_convert(boxes, name, "xyxy").unbind(-1)
    return torch.stack((x1, y1, x2, y1, x2, y2, x1, y2), -1).view(-1, 4, 2)


def _from_corners(corners: Tensor, format: tv.BoundingBoxFormat) -> Tensor:
    name = format.value.lower()
    if tv.is_rotated_bounding_format(format):
        flat = corners.reshape(-1, 8)
        return flat if name == "xyxyxyxy" else box_convert(_rotated_from_corners(flat), "cxcywhr", name)
    return box_convert(torch.cat((corners.amin(1), corners.amax(1)), 1), "xyxy", name)


def _moved(x: Any, move: Callable[[Tensor], Tensor], canvas: Sequence[int], mirrored: bool = False) -> Any:
    """Boxes or points whose corners ``move`` has moved, in an image of size ``canvas``."""
    canvas = (int(canvas[0]), int(canvas[1]))
    if isinstance(x, tv.KeyPoints):
        points = plain(x)
        moved = move((points if points.is_floating_point() else points.float()).reshape(-1, 2)).reshape(points.shape)
        return tv.wrap(moved.to(points.dtype), like=x, canvas_size=canvas)
    boxes = plain(x)
    if boxes.numel() == 0:
        return tv.wrap(boxes.clone(), like=x, canvas_size=canvas)
    corners = move(_corners(boxes, x.format).reshape(-1, 2)).reshape(-1, 4, 2)
    if mirrored and tv.is_rotated_bounding_format(x.format):
        corners = corners[:, [1, 0, 3, 2]]  # so that they go round the same way
    out = _from_corners(corners, x.format)
    out = clamp_boxes(out, x.format, canvas, x.clamping_mode)
    return tv.wrap(out.to(boxes.dtype), like=x, canvas_size=canvas)


def clamp_boxes(boxes: Tensor, format: tv.BoundingBoxFormat, canvas: Sequence[int], mode: str | None) -> Tensor:
    """Cut off where they leave the image, unless mode is None; turned boxes are left as they are unless their corners are to be inside."""
    if mode is None or (tv.is_rotated_bounding_format(format) and mode != "hard"):
        return boxes
    name = format.value.lower()
    high, wide = canvas
    if tv.is_rotated_bounding_format(format):
        corners = box_convert(boxes, name, "xyxyxyxy").view(-1, 4, 2)
        corners = torch.stack((corners[..., 0].clamp(0, wide), corners[..., 1].clamp(0, high)), -1)
        return _from_corners(corners, format)
    dtype = boxes.dtype
    flat = box_convert(boxes, name, "xyxy")
    flat = torch.stack(
        (
            flat[..., 0].clamp(0, wide),
            flat[..., 1].clamp(0, high),
            flat[..., 2].clamp(0, wide),
            flat[..., 3].clamp(0, high),
        ),
        -1,
    )
    return box_convert(flat, "xyxy", name).to(dtype)


def clamp_points(points: Tensor, canvas: Sequence[int]) -> Tensor:
    x, y = points[..., 0].clamp(0, canvas[1] - 1), points[..., 1].clamp(0, canvas[0] - 1)
    return torch.stack((x, y), -1)


def _geometry(
    x: Any,
    of_tensor: Callable,
    of_pil: Callable,
    move: Callable,
    canvas: Callable,
    *,
    mask: Callable | None = None,
    mirrored: bool = False,
) -> Any:
    kind = kind_of(x)
    if kind == "image":
        return back(of_tensor(plain(x)), x)
    if kind == "pil":
        return of_pil(pil(), x)
    if kind == "mask":
        m = plain(x)
        flat = m.ndim == 2
        out = (mask or of_tensor)(m.unsqueeze(0) if flat else m)
        return back(out.squeeze(0) if flat else out, x)
    return _moved(x, move, canvas(), mirrored)


# ---- geometry ------------------------------------------------------------------------------------------------------


def horizontal_flip(x: Any) -> Any:
    """Left becomes right."""
    wide = get_size(x)[1]
    edge = wide - 1 if isinstance(x, tv.KeyPoints) else wide
    flipped = lambda p: torch.stack((edge - p[..., 0], p[..., 1]), -1)  # noqa: E731
    return _geometry(x, lambda t: t.flip(-1), lambda m, i: m.hflip(i), flipped, lambda: get_size(x), mirrored=True)


def vertical_flip(x: Any) -> Any:
    """Top becomes bottom."""
    high = get_size(x)[0]
    edge = high - 1 if isinstance(x, tv.KeyPoints) else high
    flipped = lambda p: torch.stack((p[..., 0], edge - p[..., 1]), -1)  # noqa: E731
    return _geometry(x, lambda t: t.flip(-2), lambda m, i: m.vflip(i), flipped, lambda: get_size(x), mirrored=True)


def resize(
    x: Any,
    size: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """To a height and width, or one number for the shorter side.

    >>> import rushlight as torch
    >>> resize(torch.zeros(3, 20, 40), 10).shape
    torch.Size([3, 10, 20])
    """
    return _resize(x, size, interpolation, max_size, antialias, True)


def _resize(x: Any, size: Any, interpolation: Any, max_size: int | None, antialias: bool | None, whole: bool) -> Any:
    mode = mode_of(interpolation, "resize")
    height, width = get_size(x)
    new = new_size(height, width, size, max_size)
    if min(new) <= 0:
        raise ValueError(f"resize: expected a size > 0, got {new}")
    if kind_of(x) == "image" and mode in ("box", "hamming", "lanczos"):
        raise ValueError(f"This Interpolation mode is unsupported with Tensor input: {mode}")
    ratio = torch.tensor([new[1] / width, new[0] / height])
    return _geometry(
        x, lambda t: _image.resize(t, new, mode, bool(antialias), whole),
        lambda m, i: i if [i.height, i.width] == new else m.resize(i, new, mode), lambda p: p * ratio.to(p.dtype), lambda: new,
        mask=lambda t: _image.resize(t, new, "nearest", False),
    )  # fmt: skip


def crop(x: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part; what is outside of the image is 0."""
    moved = lambda p: p - torch.tensor([left, top], dtype=p.dtype)  # noqa: E731
    return _geometry(
        x, lambda t: _image.crop(t, top, left, height, width), lambda m, i: m.crop(i, top, left, height, width), moved,
        lambda: (height, width),
    )  # fmt: skip


def pad(x: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    """Around it: a number, (left and right, top and bottom), or left, top, right, bottom."""
    left, top, right, bottom = around = _image.four(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"Padding mode should be either constant, edge, reflect or symmetric, got {padding_mode}")
    if not isinstance(fill, (numbers.Number, str, tuple, list, type(None))):
        raise TypeError("Got inappropriate fill arg")
    h, w = get_size(x)
    moved = lambda p: p + torch.tensor([left, top], dtype=p.dtype)  # noqa: E731
    single = fill[0] if isinstance(fill, (list, tuple)) and len(fill) else fill
    return _geometry(
        x, lambda t: _image.pad(t, around, fill, padding_mode), lambda m, i: m.pad(i, around, fill, padding_mode), moved,
        lambda: (h + top + bottom, w + left + right), mask=lambda t: _image.pad(t, around, single, padding_mode),
    )  # fmt: skip


def pair(size: Any) -> list[int]:
    """[height, width] from one number or two."""
    if isinstance(size, numbers.Number):
        return [int(size)] * 2
    if len(size) == 1:
        return [int(size[0])] * 2
    if len(size) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    return [int(size[0]), int(size[1])]


def center_crop(x: Any, output_size: Any) -> Any:
    """The middle; padded with 0 where the image is smaller."""
    high, wide = pair(output_size)
    h, w = get_size(x)
    if (wide > w or high > h) and kind_of(x) not in ("boxes", "points"):
        left, top = max((wide - w) // 2, 0), max((high - h) // 2, 0)
        right, bottom = max((wide - w + 1) // 2, 0), max((high - h + 1) // 2, 0)
        x = pad(x, [left, top, right, bottom], fill=0)
        h, w = get_size(x)
        if [high, wide] == [h, w]:
            return x
    return crop(x, int(round((h - high) / 2.0)), int(round((w - wide) / 2.0)), high, wide)


def resized_crop(
    x: Any, top: int, left: int, height: int, width: int, size: Any, interpolation: Any = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:  # fmt: skip
    """A part, resized."""
    return resize(crop(x, top, left, height, width), size, interpolation, antialias=antialias)


def _center(center: Any, height: int, width: int) -> list[float]:
    """From the middle of the image."""
    return [0.0, 0.0] if center is None else [1.0 * (c - s * 0.5) for c, s in zip(center, (width, height))]


def _modes(x: Any, interpolation: Any, op: str) -> str:
    mode = mode_of(interpolation, op)
    if kind_of(x) == "image" and mode not in ("nearest", "bilinear"):
        raise ValueError(f"Resampling mode '{mode}' is unsupported with Tensor input")
    return mode


def _inverted(matrix: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The map of points that belongs to a map of pixels' sources: a 2x2 matrix and a shift."""
    a, b, c, d, e, f = matrix
    det = a * e - b * d
    m = torch.tensor([[e / det, -b / det], [-d / det, a / det]], dtype=torch.float64)
    return m, -(m @ torch.tensor([c, f], dtype=torch.float64))


def affine(
    x: Any, angle: float, translate: Sequence[float], scale: float, shear: Any, interpolation: Any = InterpolationMode.NEAREST,
    fill: Any = None, center: Any = None,
) -> Any:  # fmt: skip
    """Turns (degrees, clockwise), moves, scales and shears about the centre."""
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, (numbers.Number, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    shear = [float(shear), 0.0] if isinstance(shear, numbers.Number) else [float(s) for s in shear]
    shear = shear * 2 if len(shear) == 1 else shear
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    mode = _modes(x, interpolation, "affine")
    height, width = get_size(x)
    matrix = _image.inverse_affine_matrix(
        _center(center, height, width), angle, [1.0 * t for t in translate], scale, shear
    )
    absolute = _image.inverse_affine_matrix(
        center or [width * 0.5, height * 0.5], angle, [float(t) for t in translate], scale, shear
    )

    def of_tensor(t: Tensor, how: str = mode, outside: Any = fill) -> Tensor:
        dtype = t.dtype if t.is_floating_point() else torch.float32
        return _image.sample(t, _image.affine_grid(matrix, width, height, width, height, dtype, t.device), how, outside)

    m, shift = _inverted(absolute)
    return _geometry(
        x, of_tensor, lambda p, i: p.affine(i, absolute, mode, fill), lambda p: (p.double() @ m.T + shift).to(p.dtype),
        lambda: (height, width), mask=lambda t: of_tensor(t, "nearest", _single(fill)),
    )  # fmt: skip


def _single(fill: Any) -> Any:
    return fill[0] if isinstance(fill, (list, tuple)) and len(fill) else fill


def rotate(
    x: Any,
    angle: float,
    interpolation: Any = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """Turns by degrees, against the clock; ``expand`` makes room for the corners."""
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")
    mode = _modes(x, interpolation, "rotate")
    height, width = get_size(x)
    angle = angle % 360  # as PIL does
    from_middle = [0.0, 0.0] if expand else _center(center, height, width)
    matrix = _image.inverse_affine_matrix(from_middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    out_width, out_height = canvas_width, canvas_height = (
        _image.affine_output_size(matrix, width, height) if expand else (width, height)
    )
    if expand and kind_of(x) in ("boxes", "points"):  # counted from the corner, which may round to one more
        forth = _image.inverse_affine_matrix(
            [width * 0.5, height * 0.5], -angle, [0.0, 0.0], 1.0, [0.0, 0.0], inverted=False
        )
        canvas_width, canvas_height = _image.affine_output_size(forth, width, height)

    def of_tensor(t: Tensor, how: str = mode, outside: Any = fill) -> Tensor:
        dtype = t.dtype if t.is_floating_point() else torch.float32
        return _image.sample(
            t, _image.affine_grid(matrix, width, height, out_width, out_height, dtype, t.device), how, outside
        )

    m, shift = _inverted(matrix)
    middle = torch.tensor([width * 0.5, height * 0.5], dtype=torch.float64)
    new_middle = middle
    if expand:  # the corner that comes nearest to the edge touches it
        frame = torch.tensor([[0, 0], [0, height], [width, height], [width, 0]], dtype=torch.float64) - middle
        new_middle = -(frame @ m.T).amin(0)
    return _geometry(
        x, of_tensor, lambda p, i: p.rotate(i, angle, mode, expand, center, fill),
        lambda p: ((p.double() - middle) @ m.T + shift + new_middle).to(p.dtype), lambda: (canvas_height, canvas_width),
        mask=lambda t: of_tensor(t, "nearest", _single(fill)),
    )  # fmt: skip


def perspective(
    x: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = InterpolationMode.BILINEAR,
    fill: Any = None,
    coefficients: Any = None,
) -> Any:
    """Moves four corners (x, y) to four others."""
    if coefficients is not None:
        if startpoints is not None and endpoints is not None:
            raise ValueError("The startpoints/endpoints and the coefficients shouldn't be defined concurrently.")
        if len(coefficients) != 8:
            raise ValueError("Argument coefficients should have 8 float values")
        coeffs = list(coefficients)
    elif startpoints is None or endpoints is None:
        raise ValueError("Either the startpoints/endpoints or the coefficients must have non `None` values.")
    else:
        coeffs = _image.perspective_coefficients(startpoints, endpoints)
    mode = _modes(x, interpolation, "perspective")
    height, width = get_size(x)

    def of_tensor(t: Tensor, how: str = mode, outside: Any = fill) -> Tensor:
        dtype = t.dtype if t.is_floating_point() else torch.float32
        return _image.sample(t, _image.perspective_grid(coeffs, width, height, dtype, t.device), how, outside)

    def moved(p: Tensor) -> Tensor:
        m = torch.linalg.inv(torch.tensor([*coeffs, 1.0], dtype=torch.float64).view(3, 3))
        q = torch.cat((p.double(), p.new_ones((p.shape[0], 1), dtype=torch.float64)), 1) @ m.T
        return (q[:, :2] / q[:, 2:]).to(p.dtype)

    return _geometry(
        x, of_tensor, lambda p, i: p.perspective(i, coeffs, mode, fill), moved, lambda: (height, width),
        mask=lambda t: of_tensor(t, "nearest", _single(fill)),
    )  # fmt: skip


def elastic(x: Any, displacement: Tensor, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None) -> Any:
    """Moves each pixel by a displacement ``(1, H, W, 2)`` in parts of the image."""
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    mode = mode_of(interpolation, "elastic_transform")
    height, width = get_size(x)
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given {tuple(displacement.shape)}"
        )

    def of_tensor(t: Tensor, how: str = mode, outside: Any = fill) -> Tensor:
        dtype = t.dtype if t.is_floating_point() else torch.float32
        return _image.sample(t, _image.elastic_grid(displacement.to(dtype), height, width), how, outside)

    def of_pil(_: Any, image: Any) -> Any:
        from .functional import pil_to_tensor, to_pil_image

        return to_pil_image(of_tensor(pil_to_tensor(image)), mode=image.mode)

    def moved(p: Tensor) -> Tensor:
        grid = _image.elastic_grid(-displacement.to(p.dtype), height, width)  # the way back, nearly
        x, y = p[:, 0].ceil().long().clamp(0, width - 1), p[:, 1].ceil().long().clamp(0, height - 1)
        size = torch.tensor([width, height], dtype=p.dtype)
        return (grid[0, y, x] + 1) * (0.5 * size) - 0.5

    return _geometry(
        x, of_tensor, of_pil, moved, lambda: (height, width), mask=lambda t: of_tensor(t, "nearest", _single(fill))
    )


def five_crop(x: Any, size: Any) -> tuple:
    """The four corners and the middle."""
    high, wide = pair(size)
    h, w = get_size(x)
    if wide > w or high > h:
        raise ValueError(f"Requested crop size {(high, wide)} is bigger than input size {(h, w)}")
    places = ((0, 0), (0, w - wide), (h - high, 0), (h - high, w - wide))
    return (*(crop(x, top, left, high, wide) for top, left in places), center_crop(x, [high, wide]))


def ten_crop(x: Any, size: Any, vertical_flip: bool = False) -> tuple:
    """:func:`five_crop` of the image and of its mirror image."""
    flip = globals()["vertical_flip"] if vertical_flip else horizontal_flip
    return five_crop(x, size) + five_crop(flip(x), size)


# ---- values ----------------------------------------------------------------------------------------------------------


def _color(name: str, doc: str) -> Callable:
    of_tensor = getattr(_image, name)

    def fn(x: Any, factor: float) -> Any:
        if name != "adjust_hue" and factor < 0:
            raise ValueError(f"{name.removeprefix('adjust_')}_factor ({factor}) is not non-negative.")
        return on_image(x, lambda t: of_tensor(t, factor), lambda m, i: getattr(m, name)(i, factor))

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc
    return fn


adjust_brightness = _color("adjust_brightness", "Times the factor.")
adjust_contrast = _color("adjust_contrast", "Away from the mean, or towards it below 1.")
adjust_saturation = _color("adjust_saturation", "Away from gray, or towards it below 1.")
adjust_sharpness = _color("adjust_sharpness", "Away from a blurred image, or towards it below 1.")
adjust_hue = _color("adjust_hue", "Turns the colours by a part of the circle, -0.5 to 0.5.")


def adjust_gamma(x: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * x ** gamma``, of values from 0 to 1."""
    return on_image(x, lambda t: _image.adjust_gamma(t, gamma, gain), lambda m, i: m.adjust_gamma(i, gamma, gain))


def invert(x: Any) -> Any:
    """The negative."""
    return on_image(x, _image.invert, lambda m, i: m.invert(i))


def posterize(x: Any, bits: int) -> Any:
    """Keeps so many bits of each value."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return on_image(x, lambda t: _image.posterize(t, bits), lambda m, i: m.posterize(i, bits))


def solarize(x: Any, threshold: float) -> Any:
    """Inverts values from the threshold on."""
    return on_image(x, lambda t: _image.solarize(t, threshold), lambda m, i: m.solarize(i, threshold))


def autocontrast(x: Any) -> Any:
    """The darkest becomes black, the brightest white, in each channel."""
    return on_image(x, _image.autocontrast, lambda m, i: m.autocontrast(i))


def equalize(x: Any) -> Any:
    """All values become about as frequent."""
    return on_image(x, _image.equalize, lambda m, i: m.equalize(i))


def rgb_to_grayscale(x: Any, num_output_channels: int = 1) -> Any:
    """Without colours, in one channel or in three that are the same."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    if kind_of(x) == "image":
        _image.channels(x, "rgb_to_grayscale", (1, 3))
    return on_image(
        x, lambda t: _image.grayscale(t, num_output_channels), lambda m, i: m.grayscale(i, num_output_channels)
    )


def gaussian_blur(x: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """Blurs; sizes are (x, y), odd. Without sigma it follows from the size."""
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}")
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    for k in sizes:
        if k % 2 == 0 or k < 0:
            raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    if sigma is None:
        sigma = [k * 0.15 + 0.35 for k in sizes]
    elif isinstance(sigma, (int, float)):
        sigma = [float(sigma)] * 2
    elif not isinstance(sigma, (list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    sigma = list(sigma) * 2 if len(sigma) == 1 else list(sigma)
    if len(sigma) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigma)}")
    if min(sigma) <= 0.0:
        raise ValueError(f"sigma should have positive values. Got {sigma}")

    def of_pil(_: Any, image: Any) -> Any:
        from .functional import pil_to_tensor, to_pil_image

        return to_pil_image(_image.gaussian_blur(pil_to_tensor(image), sizes, sigma), mode=image.mode)

    return on_image(x, lambda t: _image.gaussian_blur(t, sizes, sigma), of_pil)


def erase(x: Any, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Any:
    """Sets the part from row i and column j on, of height h and width w, to v."""
    if kind_of(x) == "pil":
        from .functional import pil_to_tensor, to_pil_image

        return to_pil_image(_image.erase(pil_to_tensor(x), i, j, h, w, v), mode=x.mode)
    return on_image(x, lambda t: _image.erase(t, i, j, h, w, v, inplace))


def normalize(x: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Any:
    """``(x - mean) / std`` by channel, of float tensors."""
    if not isinstance(x, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(x)}")
    return on_image(x, lambda t: _image.normalize(t, mean, std, inplace))


def to_dtype(x: Any, dtype=torch.float, scale: bool = False) -> Any:
    """Into another dtype; with ``scale`` an image's white stays white."""
    if not isinstance(x, Tensor):
        raise TypeError(f"Input tensor should be a Tensor, got {type(x)}")
    if kind_of(x) == "image":
        return back(_image.to_dtype(plain(x), dtype, scale), x)
    return back(plain(x).to(dtype), x)
