"""Pictures of tensors: grids, files, boxes, masks, key points, optical flow.

>>> import rushlight as torch
>>> make_grid(torch.zeros(6, 3, 4, 5), nrow=3, padding=1).shape
torch.Size([3, 11, 19])
"""

from __future__ import annotations

import math
from typing import Any, BinaryIO

import numpy as np

import rushlight as torch
from rushlight import Tensor

__all__ = [
    "_log_api_usage_once",
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]


def _log_api_usage_once(obj: Any) -> None:
    pass


@torch.no_grad()
def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images ``(B, C, H, W)``, or a list of them, side by side in one.

    Args:
        nrow: images in a row. padding: pixels between them, of ``pad_value``.
        normalize: from the smallest to the largest value (or ``value_range``) becomes from 0 to 1; ``scale_each`` image by image.
    """
    if not isinstance(tensor, (Tensor, list)) or (
        isinstance(tensor, list) and not all(isinstance(t, Tensor) for t in tensor)
    ):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    if isinstance(tensor, list):
        tensor = torch.stack(tensor, dim=0)
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        tensor = (torch.cat((tensor, tensor, tensor), 0) if tensor.size(0) == 1 else tensor).unsqueeze(0)
    if tensor.dim() == 4 and tensor.size(1) == 1:
        tensor = torch.cat((tensor, tensor, tensor), 1)
    if normalize:
        tensor = tensor.clone()
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        for part in tensor if scale_each else [tensor]:
            low, high = value_range or (float(part.min()), float(part.max()))
            part.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
    if tensor.size(0) == 1:
        return tensor.squeeze(0)
    count = tensor.size(0)
    across = min(nrow, count)
    down = int(math.ceil(count / across))
    height, width = tensor.size(2) + padding, tensor.size(3) + padding
    grid = tensor.new_full((tensor.size(1), height * down + padding, width * across + padding), pad_value)
    for i in range(count):
        y, x = i // across * height + padding, i % across * width + padding
        grid[:, y : y + height - padding, x : x + width - padding] = tensor[i]
    return grid


@torch.no_grad()
def save_image(tensor: Any, fp: str | BinaryIO, format: str | None = None, **kwargs: Any) -> None:
    """Writes :func:`make_grid` of images from 0 to 1 as a file, whose kind its name says, or ``format``."""
    from PIL import Image

    grid = make_grid(tensor, **kwargs)
    values = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", torch.uint8).numpy()
    Image.fromarray(values).save(fp, format=format)


def _image(image: Any, op: str) -> tuple[Tensor, bool]:
    """A copy in bytes with three channels, and whether it had floats."""
    if not isinstance(image, Tensor):
        raise TypeError(f"The image must be a tensor, got {type(image)}")
    floats = image.is_floating_point()
    if not floats and image.dtype != torch.uint8:
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")
    if image.size(0) not in (1, 3):
        raise ValueError("Only grayscale and RGB images are supported")
    if floats:
        if image.numel() and (image.min() < 0 or image.max() > 1):
            raise ValueError(
                f"{op}: the values of a float image should be from 0 to 1, got {image.min().item()} to {image.max().item()}"
            )
        image = image.mul(255 + 1 - 1e-3).to(torch.uint8)
    return (image.expand(3, -1, -1) if image.size(0) == 1 else image).clone(), floats


def _back(drawn: Tensor, floats: bool, dtype) -> Tensor:
    return drawn.to(dtype).div(255) if floats else drawn


def _palette(count: int) -> list[tuple[int, ...]]:
    base = (2**25 - 1, 2**15 - 1, 2**21 - 1)
    return [tuple((i * p) % 255 for p in base) for i in range(count)]


def _colors(colors: Any, count: int) -> list[tuple[int, int, int]]:
    """One for each object, from a name, a tuple, or a list of them."""
    from PIL import ImageColor

    if colors is None:
        chosen: Any = _palette(count)
    elif isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(
                f"Number of colors must be equal or larger than the number of objects, but got {len(colors)} < {count}."
            )
        chosen = colors
    elif isinstance(colors, (tuple, str)):
        chosen = [colors] * count
    else:
        raise ValueError(f"colors must be a tuple or a string, or a list thereof, but got {colors}.")
    return [ImageColor.getrgb(c) if isinstance(c, str) else c for c in chosen]


def _from_pil(image: Any) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


@torch.no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str | None] | None = None,
    colors: Any = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Any = None,
    label_background_colors: Any = None,
    fill_labels: bool = False,
) -> Tensor:
    """The image with boxes (x1, y1, x2, y2), or ``(N, 8)`` corners of turned ones, drawn into it.

    >>> import rushlight as torch
    >>> draw_bounding_boxes(torch.zeros(3, 9, 9, dtype=torch.uint8), torch.tensor([[2, 2, 6, 6]]), colors="white").sum().item() // 765
    16
    """
    from PIL import Image, ImageDraw, ImageFont

    drawn, floats = _image(image, "draw_bounding_boxes")
    count = boxes.shape[0]
    if count == 0:
        return _back(drawn, floats, image.dtype)
    if boxes.shape[-1] == 4 and ((boxes[:, 0] > boxes[:, 2]).any() or (boxes[:, 1] > boxes[:, 3]).any()):
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert to convert them"
        )
    labels = [None] * count if labels is None else labels
    if len(labels) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify labels for each box."
        )
    shades = _colors(colors, count)
    inks = _colors(label_colors, count) if label_colors else shades
    backs = _colors(label_background_colors, count) if label_background_colors else shades
    letters = ImageFont.load_default() if font is None else ImageFont.truetype(font=font, size=font_size or 10)
    pil = Image.fromarray(drawn.permute(1, 2, 0).contiguous().numpy())
    pen = ImageDraw.Draw(pil, "RGBA") if fill else ImageDraw.Draw(pil)
    for box, color, label, ink, under in zip(boxes.to(torch.int64).tolist(), shades, labels, inks, backs):
        inside = (*color, 100) if fill else None
        if len(box) == 8:
            pen.polygon(box, width=width, outline=color, fill=inside)
        else:
            pen.rectangle(box, width=width, outline=color, fill=inside)
        if label is not None:
            margin = width + 1
            place = (box[0] + margin, box[1] + margin)
            if fill_labels:
                left, top, right, bottom = pen.textbbox(place, label, font=letters)
                pen.rectangle((left - 4, top - 4, right + 4, bottom + 4), fill=under)
            pen.text(place, label, fill=ink, font=letters)
    return _back(_from_pil(pil), floats, image.dtype)


@torch.no_grad()
def draw_segmentation_masks(image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Any = None) -> Tensor:
    """The image with bool masks ``(N, H, W)`` coloured; ``alpha`` 1 hides what is below."""
    drawn, floats = _image(image, "draw_segmentation_masks")
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != torch.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    if not masks.numel():
        return _back(drawn, floats, image.dtype)
    painted = drawn.clone()
    for mask, color in zip(masks, _colors(colors, len(masks))):
        painted[:, mask] = torch.tensor(color, dtype=torch.uint8)[:, None]
    covered = masks.any(0)
    out = drawn.to(torch.float) * (1 - alpha) + painted.to(torch.float) * alpha
    out[:, ~covered] = drawn.to(torch.float)[:, ~covered]
    return _back(out.to(torch.uint8), floats, image.dtype)


@torch.no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: Any = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """The image with points ``(objects, K, 2)``, and lines between those that are connected."""
    from PIL import Image, ImageColor, ImageDraw

    drawn, floats = _image(image, "draw_keypoints")
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    shown = torch.ones(keypoints.shape[:-1], dtype=torch.bool) if visibility is None else visibility
    shown = shown.squeeze(-1) if shown.ndim == 3 else shown
    if shown.shape != keypoints.shape[:-1]:
        raise ValueError(
            f"keypoints and visibility must have the same dimensionality, got {tuple(keypoints.shape)} and {tuple(shown.shape)}"
        )
    pil = Image.fromarray(drawn.permute(1, 2, 0).contiguous().numpy())
    pen = ImageDraw.Draw(pil)
    colors = ImageColor.getrgb(colors) if isinstance(colors, str) else colors
    for points, seen in zip(keypoints.to(torch.int64).tolist(), shown.tolist()):
        for (x, y), visible in zip(points, seen):
            if visible:
                pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colors, outline=None, width=0)
        for a, b in connectivity or []:
            if seen[a] and seen[b]:
                pen.line((*points[a], *points[b]), width=width)
    return _back(_from_pil(pil), floats, image.dtype)


def _color_wheel() -> Tensor:
    """``(55, 3)``: from red over yellow, green, cyan, blue and magenta back to red."""
    wheel, start = torch.zeros((55, 3)), 0
    # steps, the channel that is full, the one that changes, and whether it grows
    for steps, full, moving, grows in (
        (15, 0, 1, True),
        (6, 1, 0, False),
        (4, 1, 2, True),
        (11, 2, 1, False),
        (13, 2, 0, True),
        (6, 0, 2, False),
    ):
        ramp = torch.floor(255 * torch.arange(0, steps) / steps)
        wheel[start : start + steps, full] = 255
        wheel[start : start + steps, moving] = ramp if grows else 255 - ramp
        start += steps
    return wheel


@torch.no_grad()
def flow_to_image(flow: Tensor) -> Tensor:
    """Optical flow ``(N, 2, H, W)`` or ``(2, H, W)`` in colours: which way, and how far."""
    if flow.dtype != torch.float:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    shape = flow.shape
    flow = flow[None] if flow.ndim == 3 else flow
    if flow.ndim != 4 or flow.shape[1] != 2:
        raise ValueError(f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {tuple(shape)}.")
    flow = flow / (torch.sum(flow**2, dim=1).sqrt().max() + torch.finfo(flow.dtype).eps)
    length = torch.sum(flow**2, dim=1).sqrt()
    wheel = _color_wheel()
    place = (torch.atan2(-flow[:, 1], -flow[:, 0]) / torch.pi + 1) / 2 * (len(wheel) - 1)
    low = torch.floor(place).to(torch.long)
    high = low + 1
    high[high == len(wheel)] = 0
    part = place - low
    out = torch.zeros((flow.shape[0], 3, *flow.shape[2:]), dtype=torch.uint8)
    for c in range(3):
        values = wheel[:, c]
        color = (1 - part) * (values[low] / 255.0) + part * (values[high] / 255.0)
        out[:, c] = torch.floor(255 * (1 - length * (1 - color))).to(torch.uint8)
    return out[0] if len(shape) == 3 else out
