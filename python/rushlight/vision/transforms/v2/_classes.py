"""Transforms of version 2: containers, those of one function, and those of types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from ... import tv_tensors as tv
from .. import transforms as v1
from .._dispatch import InterpolationMode, is_pil
from . import functional as F
from ._transform import (
    RandomApplied,
    Transform,
    is_pure,
    query_chw,
)

__all__: list[str] = ["Compose", "InterpolationMode"]


def _public(cls: type) -> type:
    __all__.append(cls.__name__)
    return cls


# ---- containers ----------------------------------------------------------------------------------------------------------


class _Container(Transform):
    def __init__(self, transforms: Any):
        super().__init__()
        if not isinstance(transforms, (Sequence, nn.ModuleList)):
            raise TypeError("Argument transforms should be a sequence of callables")
        self.transforms = transforms

    def _through(self, transforms: Any, inputs: tuple) -> Any:
        several = len(inputs) > 1
        for t in transforms:
            out = t(*inputs)
            inputs = out if several else (out,)
        return inputs if several else inputs[0]


class _Lines(_Container):
    def extra_repr(self) -> str:
        return "\n".join(f"    {t}" for t in self.transforms)


class Compose(_Lines):
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable]):
        super().__init__(transforms)
        if not transforms:
            raise ValueError("Pass at least one transform")

    def forward(self, *inputs: Any) -> Any:
        return self._through(self.transforms, inputs)


@_public
class RandomApply(_Lines):
    """All of the transforms, with probability ``p``."""

    def __init__(self, transforms: Any, p: float = 0.5):
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        if torch.rand(1) >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return self._through(self.transforms, inputs)


@_public
class RandomChoice(_Container):
    """One of the transforms, with probabilities ``p``."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None):
        super().__init__(transforms)
        p = [1] * len(transforms) if p is None else p
        if len(p) != len(transforms):
            raise ValueError(f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}")
        self.p = [v / sum(p) for v in p]

    def forward(self, *inputs: Any) -> Any:
        return self.transforms[int(torch.multinomial(torch.tensor(self.p), 1))](*inputs)


@_public
class RandomOrder(_Container):
    """All of the transforms, in a random order."""

    def forward(self, *inputs: Any) -> Any:
        return self._through([self.transforms[i] for i in torch.randperm(len(self.transforms)).tolist()], inputs)


@_public
class Identity(Transform):
    """Changes nothing."""

    def transform(self, inpt: Any, params: dict) -> Any:
        return inpt


@_public
class Lambda(Transform):
    """A function of everything in the sample, or only of those types."""

    def __init__(self, lambd: Callable, *types: type):
        super().__init__()
        self.lambd, self.types = lambd, types or (object,)
        self._takes = lambda x: isinstance(x, self.types)

    def _needs_transform_list(self, flat: list[Any]) -> list[bool]:
        return [isinstance(x, self.types) for x in flat]

    def transform(self, inpt: Any, params: dict) -> Any:
        return self.lambd(inpt)

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", None)
        return ", ".join([*([name] if name else []), f"types={[t.__name__ for t in self.types]}"])


# ---- of one function ---------------------------------------------------------------------------------------------------


def _simple(name: str, function: Callable, doc: str, base: type = Transform) -> type:
    """A class that applies a function without options."""
    cls = type(
        name, (base,), {"__doc__": doc, "transform": lambda self, inpt, params: function(inpt), "__module__": __name__}
    )
    return _public(cls)


RandomHorizontalFlip = _simple(
    "RandomHorizontalFlip", F.horizontal_flip, "Left becomes right, with probability ``p``.", RandomApplied
)
RandomVerticalFlip = _simple(
    "RandomVerticalFlip", F.vertical_flip, "Top becomes bottom, with probability ``p``.", RandomApplied
)
RandomInvert = _simple("RandomInvert", F.invert, "The negative, with probability ``p``.", RandomApplied)
RandomAutocontrast = _simple(
    "RandomAutocontrast", F.autocontrast, "Stretched values, with probability ``p``.", RandomApplied
)
RandomEqualize = _simple(
    "RandomEqualize", F.equalize, "Values about as frequent, with probability ``p``.", RandomApplied
)
RGB = _simple("RGB", F.grayscale_to_rgb, "Three channels of one.")
ClampKeyPoints = _simple("ClampKeyPoints", F.clamp_keypoints, "Points moved into the image.")
ClampKeyPoints._takes = staticmethod(lambda x: isinstance(x, tv.KeyPoints))


@_public
class ClampBoundingBoxes(Transform):
    """Boxes cut off where they leave the image."""

    _takes = staticmethod(lambda x: isinstance(x, tv.BoundingBoxes))

    def __init__(self, clamping_mode: str | None = "auto"):
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


@_public
class SetClampingMode(Transform):
    """How later transforms cut boxes."""

    _takes = staticmethod(lambda x: isinstance(x, tv.BoundingBoxes))

    def __init__(self, clamping_mode: str | None):
        super().__init__()
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict) -> Any:
        return tv.wrap(inpt, like=inpt, clamping_mode=self.clamping_mode)


@_public
class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format."""

    _takes = staticmethod(lambda x: isinstance(x, tv.BoundingBoxes))

    def __init__(self, format: Any):
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.convert_bounding_box_format(inpt, new_format=self.format)


@_public
class RandomPosterize(RandomApplied):
    """Keeps ``bits`` of each value, with probability ``p``."""

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        self.bits = bits

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.posterize(inpt, self.bits)


@_public
class RandomSolarize(RandomApplied):
    """Inverts values from ``threshold`` on, with probability ``p``."""

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.solarize(inpt, self.threshold)


@_public
class RandomAdjustSharpness(RandomApplied):
    """Sharpens by the factor, with probability ``p``."""

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.adjust_sharpness(inpt, self.sharpness_factor)


@_public
class Grayscale(Transform):
    """Without colours, in one or three channels."""

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.rgb_to_grayscale(inpt, self.num_output_channels)


@_public
class RandomGrayscale(RandomApplied):
    """Without colours, in as many channels, with probability ``p``."""

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def make_params(self, flat: list[Any]) -> dict[str, Any]:
        return {"channels": query_chw(flat)[0]}

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.rgb_to_grayscale(inpt, params["channels"])


# ---- types ---------------------------------------------------------------------------------------------------------------


@_public
class ToImage(Transform):
    """Tensors, PIL images and arrays become an Image."""

    _takes = staticmethod(lambda x: is_pure(x) or is_pil(x) or type(x).__name__ == "ndarray")

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.to_image(inpt)


@_public
class ToPureTensor(Transform):
    """What says what it is becomes a plain tensor."""

    _takes = staticmethod(lambda x: isinstance(x, tv.TVTensor))

    def transform(self, inpt: Any, params: dict) -> Any:
        return inpt.as_subclass(Tensor)


@_public
class PILToTensor(Transform):
    """PIL images become tensors of their dtype."""

    _takes = staticmethod(is_pil)

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.pil_to_tensor(inpt)


@_public
class ToPILImage(Transform):
    """Tensors and arrays become PIL images."""

    _takes = staticmethod(lambda x: is_pure(x) or isinstance(x, tv.Image) or type(x).__name__ == "ndarray")

    def __init__(self, mode: str | None = None):
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.to_pil_image(inpt.as_subclass(Tensor) if isinstance(inpt, Tensor) else inpt, mode=self.mode)


@_public
class ToTensor(Transform):
    """PIL images and arrays become float tensors from 0 to 1; ToImage and ToDtype say better what is meant."""

    _takes = staticmethod(lambda x: is_pil(x) or type(x).__name__ == "ndarray")

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.to_tensor(inpt)


@_public
class ToDtype(Transform):
    """Another dtype, for all or by type (a dict, with "others"); with ``scale`` an image's white stays white."""

    def __init__(self, dtype: Any, scale: bool = False):
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def transform(self, inpt: Any, params: dict) -> Any:
        if not isinstance(inpt, Tensor):
            return inpt
        if not isinstance(self.dtype, dict):
            if not (is_pure(inpt) or isinstance(inpt, (tv.Image, tv.Video))):
                return inpt  # one dtype is meant for images
            dtype = self.dtype
        elif type(inpt) in self.dtype:
            dtype = self.dtype[type(inpt)]
        elif "others" in self.dtype:
            dtype = self.dtype["others"]
        else:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}. If you only need to convert the dtype of images or videos, you can just pass e.g. dtype=torch.float32."
            )
        return inpt if dtype is None else F.to_dtype(inpt, dtype=dtype, scale=self.scale)


@_public
class ConvertImageDtype(Transform):
    """An image in another dtype; white stays white."""

    _takes = staticmethod(lambda x: is_pure(x) or isinstance(x, (tv.Image, tv.Video)))

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.to_dtype(inpt, dtype=self.dtype, scale=True)


@_public
class Normalize(Transform):
    """``(image - mean) / std`` by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        super().__init__()
        self.mean, self.std, self.inplace = list(mean), list(std), inplace

    def check_inputs(self, flat: list[Any]) -> None:
        if any(is_pil(x) for x in flat):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict) -> Any:
        return F.normalize(inpt, self.mean, self.std, self.inplace)


@_public
class LinearTransformation(Transform):
    """``(flattened image - mean_vector) @ transformation_matrix``."""

    _takes = staticmethod(lambda x: is_pure(x) or isinstance(x, (tv.Image, tv.Video)))

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor):
        super().__init__()
        self._v1 = v1.LinearTransformation(transformation_matrix, mean_vector)
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def transform(self, inpt: Any, params: dict) -> Any:
        return self._v1(inpt.as_subclass(Tensor))
