"""Tensors that say what they are: images, videos, masks, boxes, key points. Transforms treat each as it should be.

>>> import rushlight as torch
>>> boxes = BoundingBoxes([[1, 2, 5, 6]], format="XYXY", canvas_size=(10, 20))
>>> boxes.format, boxes.canvas_size
(<BoundingBoxFormat.XYXY: 'XYXY'>, (10, 20))
>>> type(Image(torch.zeros(3, 2, 2)) + 1).__name__  # what is computed from them is a plain tensor
'Tensor'
"""

from __future__ import annotations

import enum
from typing import Any

import rushlight as torch
from rushlight import Tensor

__all__ = [
    "BoundingBoxFormat",
    "BoundingBoxes",
    "Image",
    "KeyPoints",
    "Mask",
    "TVTensor",
    "Video",
    "set_return_type",
    "wrap",
]

_keep_type = False


class TVTensor(Tensor):
    """Base of them: a Tensor with a meaning, which the results of operators don't have unless :func:`set_return_type` says so."""

    def __new__(cls, data: Any, *, dtype=None, device=None, requires_grad: bool | None = None) -> Any:
        return cls._of(cls._tensor(data, dtype, device, requires_grad))

    @classmethod
    def _tensor(cls, data: Any, dtype, device, requires_grad) -> Tensor:
        if requires_grad is None:
            requires_grad = data.requires_grad if isinstance(data, Tensor) else False
        made = torch.as_tensor(data, dtype=dtype, device=device)
        return made.as_subclass(Tensor).requires_grad_(requires_grad)

    @classmethod
    def _of(cls, tensor: Tensor, like: Any = None, **meta: Any) -> Any:
        made = tensor.as_subclass(cls)
        cls._set_meta(made, like, **meta)
        return made

    @staticmethod
    def _set_meta(made: Any, like: Any, **meta: Any) -> None:
        pass

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if not all(issubclass(cls, t) for t in types):
            return NotImplemented
        with torch._C.DisableTorchFunctionSubclass():
            out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        mine = next((a for a in _each(args) if isinstance(a, cls)), None)
        if mine is None:
            return out
        # What copies or marks a tensor keeps its meaning; what writes into it gives the very object.
        if name in _KEEPING or (_keep_type and isinstance(out, Tensor)):
            return cls._of(out, mine) if isinstance(out, Tensor) and not isinstance(out, cls) else out
        if isinstance(out, cls) and not name.endswith("_"):
            return out.as_subclass(Tensor)
        if _keep_type and isinstance(out, (tuple, list)):
            return type(out)(cls._of(o, mine) if isinstance(o, Tensor) else o for o in out)
        return out

    def __deepcopy__(self, memo: dict) -> Any:
        return type(self)._of(self.as_subclass(Tensor).detach().clone().requires_grad_(self.requires_grad), self)

    # As they stand in the docs of PyTorch: the plain values.
    @property
    def _plain(self) -> Tensor:
        return self.as_subclass(Tensor)


_KEEPING = ("clone", "to", "detach", "requires_grad_", "pin_memory", "detach_")


def _each(args: Any):
    for a in args:
        if isinstance(a, (tuple, list)):
            yield from a
        else:
            yield a


class Image(TVTensor):
    """``(..., C, H, W)``; from PIL images too. Two dimensions get a channel."""

    def __new__(cls, data: Any, *, dtype=None, device=None, requires_grad: bool | None = None) -> Any:
        if type(data).__module__.startswith("PIL."):
            from .transforms.functional import pil_to_tensor

            data = pil_to_tensor(data)
        tensor = cls._tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError(f"an image has at least 2 dimensions, got shape {tuple(tensor.shape)}")
        return cls._of(tensor.unsqueeze(0) if tensor.ndim == 2 else tensor)


class Video(TVTensor):
    """``(..., T, C, H, W)``."""

    def __new__(cls, data: Any, *, dtype=None, device=None, requires_grad: bool | None = None) -> Any:
        tensor = cls._tensor(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError(f"a video has at least 4 dimensions, got shape {tuple(tensor.shape)}")
        return cls._of(tensor)


class Mask(TVTensor):
    """``(..., H, W)``: what belongs to an object, or each pixel's class; also from PIL images."""

    def __new__(cls, data: Any, *, dtype=None, device=None, requires_grad: bool | None = None) -> Any:
        if type(data).__module__.startswith("PIL."):
            from .transforms.functional import pil_to_tensor

            data = pil_to_tensor(data)
        return cls._of(cls._tensor(data, dtype, device, requires_grad))


class BoundingBoxFormat(enum.Enum):
    """What the numbers of a box are; those with R are turned by degrees."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


def is_rotated_bounding_format(format: Any) -> bool:
    """Whether boxes of that format may be turned."""
    name = format.value if isinstance(format, BoundingBoxFormat) else format
    return name in ("XYWHR", "CXCYWHR", "XYXYXYXY")


class BoundingBoxes(TVTensor):
    """``(N, K)`` boxes in an image of ``canvas_size`` (height, width).

    Args:
        clamping_mode: how transforms cut boxes that leave the image: "soft", "hard" or None (not at all).
    """

    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls, data: Any, *, format: Any, canvas_size: tuple[int, int], clamping_mode: str | None = "soft", dtype=None, device=None,
        requires_grad: bool | None = None,
    ) -> Any:  # fmt: skip
        tensor = cls._tensor(data, dtype, device, requires_grad)
        format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.ndim != 2:
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be None, 'soft' or 'hard', got {clamping_mode}")
        if is_rotated_bounding_format(format) and not tensor.is_floating_point():
            raise ValueError(f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}.")
        return cls._of(tensor, format=format, canvas_size=canvas_size, clamping_mode=clamping_mode)

    @staticmethod
    def _set_meta(made: Any, like: Any, **meta: Any) -> None:
        for name, usual in (("format", None), ("canvas_size", None), ("clamping_mode", "soft")):
            value = meta.get(name)
            if name not in meta or (value is None and name != "clamping_mode"):
                value = getattr(like, name, usual)
            setattr(made, name, tuple(value) if name == "canvas_size" else value)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        shown = f"format={self.format}, canvas_size={self.canvas_size}, clamping_mode={self.clamping_mode}"
        return f"BoundingBoxes({self._plain!r}, {shown})"


class KeyPoints(TVTensor):
    """``(..., 2)`` points (x, y) in an image of ``canvas_size`` (height, width)."""

    canvas_size: tuple[int, int]

    def __new__(
        cls, data: Any, *, canvas_size: tuple[int, int], dtype=None, device=None, requires_grad: bool | None = None
    ) -> Any:
        tensor = cls._tensor(data, dtype, device, requires_grad)
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        if tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tuple(tensor.shape)}")
        return cls._of(tensor, canvas_size=canvas_size)

    @staticmethod
    def _set_meta(made: Any, like: Any, **meta: Any) -> None:
        size = meta.get("canvas_size") or getattr(like, "canvas_size", None)
        made.canvas_size = tuple(size)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"KeyPoints({self._plain!r}, canvas_size={self.canvas_size})"


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """The tensor as what ``like`` is, with its size and format, or those given."""
    return type(like)._of(wrappee.as_subclass(Tensor), like, **kwargs)


def set_return_type(return_type: str):
    """What operators on these give: "Tensor" (the default) or "TVTensor"; as a function, or for a ``with`` block."""
    global _keep_type
    if return_type.lower() not in ("tensor", "tvtensor"):
        raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
    before, _keep_type = _keep_type, return_type.lower() == "tvtensor"
    return _Scope(before)


class _Scope:
    def __init__(self, before: bool):
        self.before = before

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        global _keep_type
        _keep_type = self.before
