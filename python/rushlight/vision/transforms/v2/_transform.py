"""What all transforms of version 2 are: they take any structure, and change in it what is an image, mask, box or point."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors as tv
from .._dispatch import InterpolationMode, get_dimensions, get_size, is_pil, mode_of
from . import functional as F


def is_pure(x: Any) -> bool:
    return F.is_pure_tensor(x)


def is_image(x: Any) -> bool:
    return is_pil(x) or is_pure(x) or isinstance(x, (tv.Image, tv.Video))


def check_type(obj: Any, types_or_checks: Sequence[Any]) -> bool:
    """Whether it is of one of the types, or passes one of the checks."""
    return any(isinstance(obj, t) if isinstance(t, type) else t(obj) for t in types_or_checks)


def has_any(flat_inputs: Sequence[Any], *types_or_checks: Any) -> bool:
    """Whether one of them is of one of the types."""
    return any(check_type(i, types_or_checks) for i in flat_inputs)


def has_all(flat_inputs: Sequence[Any], *types_or_checks: Any) -> bool:
    """Whether there is one of each type."""
    return all(any(check_type(i, (t,)) for i in flat_inputs) for t in types_or_checks)


def query_chw(flat_inputs: Sequence[Any]) -> tuple[int, int, int]:
    """The one (channels, height, width) of all images."""
    found = {tuple(get_dimensions(i)) for i in flat_inputs if is_image(i)}
    if not found:
        raise TypeError("No image or video was found in the sample")
    if len(found) > 1:
        raise ValueError(f"Found multiple CxHxW dimensions in the sample: {sorted(found)}")
    return found.pop()  # type: ignore[return-value]


def query_size(flat_inputs: Sequence[Any]) -> tuple[int, int]:
    """The one (height, width) of all that has a size."""
    kinds = (tv.Mask, tv.BoundingBoxes, tv.KeyPoints)
    found = {tuple(get_size(i)) for i in flat_inputs if is_image(i) or isinstance(i, kinds)}
    if not found:
        raise TypeError("No image, video, mask, bounding box of keypoint was found in the sample")
    if len(found) > 1:
        raise ValueError(f"Found multiple HxW dimensions in the sample: {sorted(found)}")
    return found.pop()  # type: ignore[return-value]


def get_bounding_boxes(flat_inputs: Sequence[Any]) -> Any:
    """The boxes of the sample."""
    for i in flat_inputs:
        if isinstance(i, tv.BoundingBoxes):
            return i
    raise ValueError("No bounding boxes were found in the sample")


def get_keypoints(flat_inputs: Sequence[Any]) -> Any:
    """The points of the sample."""
    for i in flat_inputs:
        if isinstance(i, tv.KeyPoints):
            return i
    raise ValueError("No keypoints were found in the sample")


class Transform(nn.Module):
    """Base class: override ``transform(inpt, params)``, and ``make_params(flat_inputs)`` if it draws something for the whole sample.

    Of plain tensors only the first is an image, and only if the sample has no other.
    """

    _takes: Callable[[Any], bool] = staticmethod(lambda x: isinstance(x, Tensor) or is_pil(x))

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raises if the sample isn't what the transform needs."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is the same for all of the sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no transform()")

    def _ready(self, flat: list[Any]) -> bool:
        """Whether to do anything this time."""
        return True

    def forward(self, *inputs: Any) -> Any:
        if len(inputs) == 1 and isinstance(inputs[0], Tensor):  # the usual sample needs no list
            x = inputs[0]
            self.check_inputs([x])
            if not self._ready([x]) or not self._takes(x):
                return x
            return self.transform(x, self.make_params([x]))
        flat, spec = tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        self.check_inputs(flat)
        if not self._ready(flat):
            return inputs if len(inputs) > 1 else inputs[0]
        change = self._needs_transform_list(flat)
        params = self.make_params([x for x, c in zip(flat, change) if c])
        return tree_unflatten([self.transform(x, params) if c else x for x, c in zip(flat, change)], spec)

    def _needs_transform_list(self, flat: list[Any]) -> list[bool]:
        others = any(is_pil(x) or isinstance(x, (tv.Image, tv.Video)) for x in flat)
        out, seen = [], others
        for x in flat:
            wanted = self._takes(x)
            if wanted and is_pure(x):
                wanted, seen = not seen, True
            out.append(bool(wanted))
        return out

    def extra_repr(self) -> str:
        said = []
        for name, value in self.__dict__.items():
            if name.startswith("_") or name == "training":
                continue
            if isinstance(value, (bool, int, float, str, tuple, list, enum.Enum)):
                said.append(f"{name}={value.value if isinstance(value, InterpolationMode) else value}")
        return ", ".join(said)


class RandomApplied(Transform):
    """Does something with probability ``p``."""

    def __init__(self, p: float = 0.5):
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def _ready(self, flat: list[Any]) -> bool:
        return bool(torch.rand(1) < self.p)


def fill_of(fill: Any, x: Any) -> Any:
    """What is outside of ``x``: ``fill`` may be a dict by type, with "others"."""
    if isinstance(fill, dict):
        for kind in (type(x), *type(x).__mro__[1:]):
            if kind in fill:
                return fill[kind]
        if "others" in fill:
            return fill["others"]
        return 0
    if isinstance(x, (tv.Mask, tv.BoundingBoxes, tv.KeyPoints)) and isinstance(fill, (list, tuple)):
        return fill[0] if len(fill) else 0
    return fill


def checked_fill(fill: Any) -> Any:
    if isinstance(fill, dict) or fill is None or isinstance(fill, (int, float, list, tuple)):
        return fill
    raise TypeError(f"Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed, got {type(fill)}")


def mode(interpolation: Any) -> InterpolationMode:
    return InterpolationMode(mode_of(interpolation))
