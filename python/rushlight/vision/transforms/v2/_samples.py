"""Transforms of version 2 of whole samples and of batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn
from rushlight.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors as tv
from .._dispatch import is_pil
from . import functional as F
from ._transform import (
    Transform,
    get_bounding_boxes,
    query_size,
)

__all__: list[str] = []


def _public(cls: type) -> type:
    __all__.append(cls.__name__)
    return cls


# ---- samples and batches ---------------------------------------------------------------------------------------------------


def _labels(getter: Any) -> Callable[[Any], Any]:
    """How labels are found in a sample: the tensor itself in a batch, "labels" in a dict."""
    if callable(getter):
        return getter
    if getter is None:
        return lambda inputs: None
    if getter != "default" and isinstance(getter, str):
        return lambda inputs: (inputs[1] if isinstance(inputs, (tuple, list)) else inputs)[getter]
    if getter != "default":
        raise ValueError(f"labels_getter should either be 'default', a string, None, or a callable, but got {getter}.")

    def find(inputs: Any) -> Any:
        if isinstance(inputs, (tuple, list)):
            inputs = inputs[1]
        if isinstance(inputs, Tensor):
            return inputs
        if isinstance(inputs, dict):
            for key in ("label", "labels"):
                for name, value in inputs.items():
                    if str(name).lower() == key:
                        return value
            for name, value in inputs.items():
                if "label" in str(name).lower():
                    return value
        raise ValueError(
            "Could not infer where the labels are in the sample. Try passing a callable as the labels_getter parameter?"
        )

    return find


@_public
class SanitizeBoundingBoxes(Transform):
    """Without boxes that are too small or outside, and without their labels and masks."""

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"):
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_size, self.min_area, self.labels_getter = min_size, min_area, labels_getter

    def _kept(self, flat: list[Any]) -> tuple[Any, Tensor]:
        boxes = get_bounding_boxes(flat)
        return boxes, F._sane_boxes(
            boxes.as_subclass(Tensor), boxes.format, boxes.canvas_size, self.min_size, self.min_area
        )

    def forward(self, *inputs: Any) -> Any:
        whole = inputs if len(inputs) > 1 else inputs[0]
        labels = _labels(self.labels_getter)(whole)
        labels = [] if labels is None else list(labels) if isinstance(labels, (tuple, list)) else [labels]
        for label in labels:
            if not isinstance(label, Tensor):
                raise ValueError(
                    f"The labels in the input to forward() must be a tensor or None, got {type(label)} instead."
                )
        flat, spec = tree_flatten(whole)
        main, kept = self._kept(flat)
        for label in labels:
            if len(label) != len(main):
                raise ValueError(
                    f"Number of boxes (shape={tuple(main.shape)}) and must match the number of labels.Found labels with shape={tuple(label.shape)})."
                )

        def one(x: Any) -> Any:
            counted = isinstance(x, (tv.Mask, type(main))) or any(x is label for label in labels)
            if not counted or (isinstance(x, tv.Mask) and x.shape[0] != len(kept)):
                return x
            return tv.wrap(x.as_subclass(Tensor)[kept], like=x) if isinstance(x, tv.TVTensor) else x[kept]

        return tree_unflatten([one(x) for x in flat], spec)


@_public
class SanitizeKeyPoints(SanitizeBoundingBoxes):
    """Without points outside of the image, and without their labels."""

    def __init__(self, labels_getter: Any = None):
        Transform.__init__(self)
        self.labels_getter = labels_getter

    def _kept(self, flat: list[Any]) -> tuple[Any, Tensor]:
        points = next((x for x in flat if isinstance(x, tv.KeyPoints)), None)
        if points is None:
            raise ValueError("No keypoints were found in the sample")
        return points, F.sanitize_keypoints(points.as_subclass(Tensor), points.canvas_size)[1]


class _Mix(Transform):
    """Of a batch of images and their labels."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"):
        super().__init__()
        self.alpha, self.num_classes, self._labels_getter = float(alpha), num_classes, _labels(labels_getter)
        self._dist = torch.distributions.Beta(torch.tensor([alpha]), torch.tensor([alpha]))

    def forward(self, *inputs: Any) -> Any:
        whole = inputs if len(inputs) > 1 else inputs[0]
        flat, spec = tree_flatten(whole)
        change = self._needs_transform_list(flat)
        if any(is_pil(x) or isinstance(x, (tv.BoundingBoxes, tv.Mask, tv.KeyPoints)) for x in flat):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks."
            )
        labels = self._labels_getter(whole)
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                f"labels should be index based with shape (batch_size,) or probability based with shape (batch_size, num_classes), but got a tensor of shape {tuple(labels.shape)} instead."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        for x, c in zip(flat, change):
            if c and (x.ndim not in (4, 5) or x.shape[0] != labels.shape[0]):
                raise ValueError(
                    f"Expected a batch of images of which there are as many as labels ({labels.shape[0]}), got shape {tuple(x.shape)}"
                )
        params = self.make_params([x for x, c in zip(flat, change) if c])
        out = [
            self._mixed_labels(x, params["lam"]) if x is labels else self.transform(x, params) if c else x
            for x, c in zip(flat, change)
        ]
        return tree_unflatten(out, spec)

    def _draw(self) -> float:
        return float(self._dist.sample(()))

    def _mixed_labels(self, labels: Tensor, lam: float) -> Tensor:
        if labels.ndim == 1:
            labels = nn.functional.one_hot(labels, num_classes=self.num_classes)
        labels = labels if labels.dtype.is_floating_point else labels.float()
        return labels.roll(1, 0).mul_(1.0 - lam).add_(labels.mul(lam))


@_public
class MixUp(_Mix):
    """Each image of a batch, mixed with the one before; and so the labels."""

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"lam": self._draw()}

    def transform(self, inpt: Any, params: dict) -> Any:
        plain, lam = inpt.as_subclass(Tensor), params["lam"]
        out = plain.roll(1, 0).mul_(1.0 - lam).add_(plain.mul(lam))
        return tv.wrap(out, like=inpt) if isinstance(inpt, tv.TVTensor) else out


@_public
class CutMix(_Mix):
    """A part of each image of a batch is that of the one before; labels by area."""

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        lam = self._draw()
        height, width = query_size(flat)
        x, y = torch.randint(width, size=(1,)), torch.randint(height, size=(1,))
        half = 0.5 * (1.0 - lam) ** 0.5
        half_w, half_h = int(half * width), int(half * height)
        x1, y1 = int(torch.clamp(x - half_w, min=0)), int(torch.clamp(y - half_h, min=0))
        x2, y2 = int(torch.clamp(x + half_w, max=width)), int(torch.clamp(y + half_h, max=height))
        return {"lam": float(1.0 - (x2 - x1) * (y2 - y1) / (width * height)), "box": (x1, y1, x2, y2)}

    def transform(self, inpt: Any, params: dict) -> Any:
        x1, y1, x2, y2 = params["box"]
        plain = inpt.as_subclass(Tensor)
        out = plain.clone()
        out[..., y1:y2, x1:x2] = plain.roll(1, 0)[..., y1:y2, x1:x2]
        return tv.wrap(out, like=inpt) if isinstance(inpt, tv.TVTensor) else out
