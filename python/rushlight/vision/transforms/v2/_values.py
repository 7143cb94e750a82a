"""Transforms of version 2 that change colours and other values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as torch

from ... import tv_tensors as tv
from .. import _shared
from .. import transforms as v1
from . import functional as F
from ._transform import (
    RandomApplied,
    Transform,
    is_pure,
    query_chw,
)

__all__: list[str] = []


def _public(cls: type) -> type:
    __all__.append(cls.__name__)
    return cls


# ---- values ----------------------------------------------------------------------------------------------------------------


@_public
class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue, each by a random factor, in random order."""

    def __init__(self, brightness: Any = None, contrast: Any = None, saturation: Any = None, hue: Any = None):
        super().__init__()
        self.brightness, self.contrast, self.saturation = (
            None if v is None else _shared.interval(v, n)
            for n, v in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation))
        )
        self.hue = None if hue is None else _shared.interval(hue, "hue", around=0.0, bound=(-0.5, 0.5), clip=False)

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        order, *factors = _shared.jitter_params(self.brightness, self.contrast, self.saturation, self.hue)
        return {"order": order.tolist(), "factors": factors}

    def transform(self, inpt: Any, params: dict) -> Any:
        functions = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in params["order"]:
            if params["factors"][i] is not None:
                inpt = functions[i](inpt, params["factors"][i])
        return inpt


@_public
class RandomChannelPermutation(Transform):
    """Channels in a random order."""

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"permutation": torch.randperm(query_chw(flat)[0]).tolist()}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.permute_channels(inpt, params["permutation"])


@_public
class RandomPhotometricDistort(Transform):
    """Colours as SSD distorts them: each step with probability ``p``."""

    def __init__(
        self, brightness: tuple = (0.875, 1.125), contrast: tuple = (0.5, 1.5), saturation: tuple = (0.5, 1.5), hue: tuple = (-0.05, 0.05),
        p: float = 0.5,
    ):  # fmt: skip
        super().__init__()
        self.brightness, self.contrast, self.hue, self.saturation, self.p = brightness, contrast, hue, saturation, p

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        channels = query_chw(flat)[0]
        params: dict[str, Any] = {}
        for name in ("brightness", "contrast", "saturation", "hue"):
            params[name] = _shared.uniform(*getattr(self, name)) if torch.rand(1) < self.p else None
        params["contrast_first"] = bool(torch.rand(()) < 0.5)
        params["permutation"] = torch.randperm(channels).tolist() if torch.rand(1) < self.p else None
        return params

    def transform(self, inpt: Any, params: dict) -> Any:
        order = ["brightness", "saturation", "hue"]
        order.insert(1 if params["contrast_first"] else 3, "contrast")
        for name in order:
            if params[name] is not None:
                inpt = getattr(F, f"adjust_{name}")(inpt, params[name])
        return inpt if params["permutation"] is None else F.permute_channels(inpt, params["permutation"])


@_public
class GaussianBlur(Transform):
    """Blurs by a random sigma."""

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)):
        super().__init__()
        checked = v1.GaussianBlur(kernel_size, sigma)
        self.kernel_size, self.sigma = checked.kernel_size, list(checked.sigma)

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"sigma": [_shared.uniform(*self.sigma)] * 2}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.gaussian_blur(inpt, list(self.kernel_size), params["sigma"])


@_public
class GaussianNoise(Transform):
    """Adds normal noise."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True):
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.gaussian_noise(inpt, self.mean, self.sigma, self.clip)


@_public
class RandomErasing(RandomApplied):
    """Sets a random part to ``value`` (numbers, or "random"), with probability ``p``."""

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ):
        super().__init__(p=p)
        v1.RandomErasing(p, scale, ratio, value)  # which checks them
        self.scale, self.ratio = scale, ratio
        self.value = (
            [float(value)]
            if isinstance(value, (int, float))
            else None
            if isinstance(value, str)
            else [float(v) for v in value]
        )
        self.inplace = inplace

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        shape = query_chw(flat)
        if self.value is not None and len(self.value) not in (1, shape[0]):
            raise ValueError(
                f"If value is a sequence, it should have either a single value or {shape[0]} (number of inpt channels)"
            )
        return {"part": _shared.erasing_params(shape, self.scale, self.ratio, self.value)}

    def transform(self, inpt: Any, params: dict) -> Any:
        if params["part"] is None or isinstance(inpt, (tv.BoundingBoxes, tv.KeyPoints, tv.Mask)):
            return inpt
        return F.erase(inpt, *params["part"], inplace=self.inplace)


@_public
class JPEG(Transform):
    """What is left after JPEG of a random quality."""

    def __init__(self, quality: Any):
        super().__init__()
        quality = [quality, quality] if isinstance(quality, int) else list(quality)
        if not (1 <= quality[0] <= quality[1] <= 100) or not all(isinstance(q, int) for q in quality):
            raise ValueError(f"quality must be an integer from 1 to 100, got {quality =}")
        self.quality = quality

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"quality": int(torch.randint(self.quality[0], self.quality[1] + 1, ()))}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.jpeg(inpt, params["quality"])


@_public
class UniformTemporalSubsample(Transform):
    """So many images of a video."""

    _takes = staticmethod(lambda x: is_pure(x) or isinstance(x, tv.Video))

    def __init__(self, num_samples: int):
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.uniform_temporal_subsample(inpt, self.num_samples)
