"""The classes of version 1."""

from __future__ import annotations

import numbers
import random
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from . import _shared
from . import functional as F
from ._shared import below, chance, uniform
from .functional import InterpolationMode

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "ElasticTransform", "FiveCrop", "GaussianBlur", "Grayscale",
    "InterpolationMode", "Lambda", "LinearTransformation", "Normalize", "PILToTensor", "Pad", "RandomAdjustSharpness", "RandomAffine",
    "RandomApply", "RandomAutocontrast", "RandomChoice", "RandomCrop", "RandomEqualize", "RandomErasing", "RandomGrayscale",
    "RandomHorizontalFlip", "RandomInvert", "RandomOrder", "RandomPerspective", "RandomPosterize", "RandomResizedCrop", "RandomRotation",
    "RandomSolarize", "RandomVerticalFlip", "Resize", "TenCrop", "ToPILImage", "ToTensor",
]  # fmt: skip


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable]):
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {t}" for t in self.transforms), ")"])


class _Plain:
    """A transform without options that are modules."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToTensor(_Plain):
    """A PIL image or array ``(H, W, C)`` as a tensor ``(C, H, W)``; bytes become floats from 0 to 1."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)


class PILToTensor(_Plain):
    """A PIL image as a tensor ``(C, H, W)`` of its own dtype."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)


class ConvertImageDtype(nn.Module):
    """Into another dtype; white stays white."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class ToPILImage:
    """A tensor ``(C, H, W)`` or array ``(H, W, C)`` as a PIL image of that mode."""

    def __init__(self, mode: str | None = None):
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class _Transform(nn.Module):
    """`_shown` names what the text of it says."""

    _shown: tuple[str, ...] = ()
    _between = ", "

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._between.join(f'{n}={_text(getattr(self, n))}' for n in self._shown)})"


def _text(value: Any) -> Any:
    return value.value if isinstance(value, InterpolationMode) else value


class Normalize(_Transform):
    """``(image - mean) / std`` by channel."""

    _shown = ("mean", "std")

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False):
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Resize(_Transform):
    """To ``size``: (height, width), or one number for the shorter side, of which the longer is at most ``max_size``."""

    _shown = ("size", "interpolation", "max_size", "antialias")

    def __init__(
        self,
        size: Any,
        interpolation: Any = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ):
        super().__init__()
        if not isinstance(size, (int, list, tuple)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, (list, tuple)) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size, self.max_size, self.antialias = size, max_size, antialias
        self.interpolation = (
            interpolation
            if isinstance(interpolation, InterpolationMode)
            else InterpolationMode(F._dispatch.mode_of(interpolation))
        )

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(_Transform):
    """The middle; padded with 0 where the image is smaller."""

    _shown = ("size",)

    def __init__(self, size: Any):
        super().__init__()
        self.size = _shared.two(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class Pad(_Transform):
    """Around it: a number, (left and right, top and bottom), or left, top, right, bottom."""

    _shown = ("padding", "fill", "padding_mode")

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant"):
        super().__init__()
        if not isinstance(padding, (numbers.Number, tuple, list)):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(fill, (numbers.Number, str, tuple, list)):
            raise TypeError("Got inappropriate fill arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if isinstance(padding, (tuple, list)) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
            )
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class Lambda(_Plain):
    """A function as a transform."""

    def __init__(self, lambd: Callable):
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)


class RandomTransforms:
    """Base of those that hold others."""

    def __init__(self, transforms: Sequence[Callable]):
        if not isinstance(transforms, (list, tuple)):
            raise TypeError("Argument transforms should be a sequence")
        self.transforms = transforms

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", *(f"    {t}" for t in self.transforms), ")"])


class RandomApply(nn.Module):
    """All of the transforms, with probability ``p``."""

    def __init__(self, transforms: Any, p: float = 0.5):
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        if self.p < torch.rand(1):
            return img
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self) -> str:
        return "\n".join([f"{type(self).__name__}(", f"    p={self.p}", *(f"    {t}" for t in self.transforms), ")"])


class RandomOrder(RandomTransforms):
    """All of the transforms, in a random order (Python's ``random``)."""

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(RandomTransforms):
    """One of the transforms, with probabilities ``p`` (Python's ``random``)."""

    def __init__(self, transforms: Sequence[Callable], p: Sequence[float] | None = None):
        super().__init__(transforms)
        if p is not None and not isinstance(p, (list, tuple)):
            raise TypeError("Argument p should be a sequence")
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class RandomCrop(_Transform):
    """A part of ``size``, from the image with ``padding`` around it."""

    _shown = ("size", "padding")

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"
    ):
        super().__init__()
        self.size = _shared.two(size)
        self.padding, self.pad_if_needed, self.fill, self.padding_mode = padding, pad_if_needed, fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: Sequence[int]) -> tuple[int, int, int, int]:
        _, h, w = F.get_dimensions(img)
        th, tw = output_size
        if h < th or w < tw:
            raise ValueError(f"Required crop size {(th, tw)} is larger than input image size {(h, w)}")
        if w == tw and h == th:
            return 0, 0, h, w
        i = below(h - th + 1)
        return i, below(w - tw + 1), th, tw

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class _Sometimes(_Transform):
    """Applied with probability ``p``."""

    _shown = ("p",)
    _apply: Callable

    def __init__(self, p: float = 0.5):
        super().__init__()
        self.p = p

    def _changed(self, img: Any) -> Any:
        return type(self)._apply(img)

    def forward(self, img: Any) -> Any:
        return self._changed(img) if torch.rand(1).item() < self.p else img


class RandomHorizontalFlip(_Sometimes):
    """Left becomes right, with probability ``p``."""

    _apply = staticmethod(F.hflip)


class RandomVerticalFlip(_Sometimes):
    """Top becomes bottom, with probability ``p``."""

    _apply = staticmethod(F.vflip)


class RandomInvert(_Sometimes):
    """The negative, with probability ``p``."""

    _apply = staticmethod(F.invert)


class RandomAutocontrast(_Sometimes):
    """:func:`functional.autocontrast`, with probability ``p``."""

    _apply = staticmethod(F.autocontrast)


class RandomEqualize(_Sometimes):
    """:func:`functional.equalize`, with probability ``p``."""

    _apply = staticmethod(F.equalize)


class RandomPosterize(_Sometimes):
    """Keeps ``bits`` of each value, with probability ``p``."""

    _shown = ("bits", "p")
    _between = ","

    def __init__(self, bits: int, p: float = 0.5):
        super().__init__(p)
        self.bits = bits

    def _changed(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Sometimes):
    """Inverts values from ``threshold`` on, with probability ``p``."""

    _shown = ("threshold", "p")
    _between = ","

    def __init__(self, threshold: float, p: float = 0.5):
        super().__init__(p)
        self.threshold = threshold

    def _changed(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Sometimes):
    """:func:`functional.adjust_sharpness`, with probability ``p``."""

    _shown = ("sharpness_factor", "p")
    _between = ","

    def __init__(self, sharpness_factor: float, p: float = 0.5):
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _changed(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomGrayscale(_Sometimes):
    """Without colours, in as many channels, with probability ``p``."""

    def __init__(self, p: float = 0.1):
        super().__init__(p)

    def _changed(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, F.get_dimensions(img)[0])


class Grayscale(_Transform):
    """Without colours, in one or three channels."""

    _shown = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomPerspective(_Transform):
    """Moves the corners, with probability ``p``."""

    _shown = ("p",)

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ):
        super().__init__()
        self.p, self.distortion_scale, self.interpolation = p, distortion_scale, interpolation
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list, list]:
        return _shared.perspective_params(width, height, distortion_scale)

    def forward(self, img: Any) -> Any:
        channels, height, width = F.get_dimensions(img)
        if not chance(self.p):
            return img
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, _fill(self.fill, img, channels))


def _fill(fill: Any, img: Any, channels: int) -> Any:
    if not isinstance(img, Tensor):
        return fill
    return [float(fill)] * channels if isinstance(fill, (int, float)) else [float(f) for f in fill]


class RandomResizedCrop(_Transform):
    """A part of an area (``scale``) and shape (``ratio``) within intervals, resized to ``size``."""

    def __init__(
        self, size: Any, scale: Sequence[float] = (0.08, 1.0), ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ):  # fmt: skip
        super().__init__()
        self.size = _shared.two(size)
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.interpolation, self.antialias, self.scale, self.ratio = interpolation, antialias, scale, ratio

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        _, height, width = F.get_dimensions(img)
        return _shared.resized_crop_params(height, width, scale, ratio)

    def forward(self, img: Any) -> Any:
        return F.resized_crop(
            img, *self.get_params(img, self.scale, self.ratio), self.size, self.interpolation, self.antialias
        )

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in r) for r in (self.scale, self.ratio))
        return f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, interpolation={_text(self.interpolation)}, antialias={self.antialias})"


class FiveCrop(_Transform):
    """The four corners and the middle, as a tuple."""

    _shown = ("size",)

    def __init__(self, size: Any):
        super().__init__()
        self.size = _shared.two(size)

    def forward(self, img: Any) -> tuple:
        return F.five_crop(img, self.size)


class TenCrop(_Transform):
    """:class:`FiveCrop` of the image and of its mirror image."""

    _shown = ("size", "vertical_flip")

    def __init__(self, size: Any, vertical_flip: bool = False):
        super().__init__()
        self.size, self.vertical_flip = _shared.two(size), vertical_flip

    def forward(self, img: Any) -> tuple:
        return F.ten_crop(img, self.size, self.vertical_flip)


class LinearTransformation(_Transform):
    """``(flattened image - mean_vector) @ transformation_matrix``."""

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor):
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise ValueError(f"transformation_matrix should be square. Got {rows} x {columns} rectangular matrix.")
        if mean_vector.size(0) != rows:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.size(0)} as any one of the dimensions of the transformation_matrix [{rows} x {columns}]"
            )
        if transformation_matrix.device != mean_vector.device:
            raise ValueError("Input tensors should be on the same device.")
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        n = tensor.shape[-3] * tensor.shape[-2] * tensor.shape[-1]
        if n != self.transformation_matrix.shape[0]:
            raise ValueError(
                f"Input tensor and transformation matrix have incompatible shape. {tuple(tensor.shape)} and {tuple(self.transformation_matrix.shape)}"
            )
        return torch.mm(tensor.view(-1, n) - self.mean_vector, self.transformation_matrix).view(tensor.shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, mean_vector={self.mean_vector.tolist()})"


class ColorJitter(_Transform):
    """Brightness, contrast, saturation and hue, each by a random factor, in random order."""

    _shown = ("brightness", "contrast", "saturation", "hue")

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0):
        super().__init__()
        self.brightness = _shared.interval(brightness, "brightness")
        self.contrast = _shared.interval(contrast, "contrast")
        self.saturation = _shared.interval(saturation, "saturation")
        self.hue = _shared.interval(hue, "hue", around=0.0, bound=(-0.5, 0.5), clip=False)

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple:
        return _shared.jitter_params(brightness, contrast, saturation, hue)

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        functions = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            if factors[i] is not None:
                img = functions[i](img, factors[i])
        return img


class RandomRotation(_Transform):
    """Turns by a random angle."""

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ):
        super().__init__()
        self.degrees = _shared.angles(degrees, "degrees")
        if center is not None and (not isinstance(center, (list, tuple)) or len(center) != 2):
            raise ValueError("center should be a sequence of length 2.")
        self.center, self.interpolation, self.expand, self.fill = (
            center,
            interpolation,
            expand,
            0 if fill is None else fill,
        )

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        fill = _fill(self.fill, img, F.get_dimensions(img)[0])
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        said = f"degrees={self.degrees}, interpolation={_text(self.interpolation)}, expand={self.expand}"
        return (
            f"{type(self).__name__}({said}{'' if self.center is None else f', center={self.center}'}, fill={self.fill})"
        )


class RandomAffine(_Transform):
    """Turns, moves, scales and shears at random."""

    def __init__(
        self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None, interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0, center: Any = None,
    ):  # fmt: skip
        super().__init__()
        self.degrees = _shared.angles(degrees, "degrees")
        if translate is not None and any(not 0.0 <= t <= 1.0 for t in translate):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None and any(s <= 0 for s in scale):
            raise ValueError("scale values should be positive")
        self.shear = None if shear is None else _shared.angles(shear, "shear", (2, 4))
        self.translate, self.scale, self.interpolation, self.center = translate, scale, interpolation, center
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Any, translate: Any, scale_ranges: Any, shears: Any, img_size: Sequence[int]) -> tuple:
        return _shared.affine_params(degrees, translate, scale_ranges, shears, img_size[0], img_size[1])

    def forward(self, img: Any) -> Any:
        channels, height, width = F.get_dimensions(img)
        params = self.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        return F.affine(
            img, *params, interpolation=self.interpolation, fill=_fill(self.fill, img, channels), center=self.center
        )

    def __repr__(self) -> str:
        said = f"degrees={self.degrees}"
        for name, usual in (
            ("translate", None),
            ("scale", None),
            ("shear", None),
            ("interpolation", InterpolationMode.NEAREST),
            ("fill", 0),
            ("center", None),
        ):
            said += f", {name}={_text(getattr(self, name))}" if getattr(self, name) != usual else ""
        return f"{type(self).__name__}({said})"


class RandomErasing(_Transform):
    """Sets a random part to ``value`` (numbers, or "random"), with probability ``p``."""

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ):
        super().__init__()
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        if p < 0 or p > 1:
            raise ValueError("Random erasing probability should be between 0 and 1")
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    @staticmethod
    def get_params(img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Any = None) -> tuple:
        found = _shared.erasing_params(img.shape[-3:], scale, ratio, value)
        return found if found is not None else (0, 0, img.shape[-2], img.shape[-1], img)

    def forward(self, img: Tensor) -> Tensor:
        if not chance(self.p):
            return img
        value = self.value
        value = [float(value)] if isinstance(value, (int, float)) else None if isinstance(value, str) else list(value)
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(
                f"If value is a sequence, it should have either a single value or {img.shape[-3]} (number of input channels)"
            )
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, inplace={self.inplace})"


class GaussianBlur(_Transform):
    """Blurs by a random sigma."""

    _shown = ("kernel_size", "sigma")

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)):
        super().__init__()
        self.kernel_size = _shared.two(kernel_size, "Kernel size should be a tuple/list of two integers")
        for k in self.kernel_size:
            if k <= 0 or k % 2 == 0:
                raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not (isinstance(sigma, Sequence) and len(sigma) == 2):
            raise TypeError("sigma should be a single number or a list/tuple with length 2.")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, list(self.kernel_size), [sigma, sigma])


class ElasticTransform(_Transform):
    """Moves pixels by smooth random distances: ``alpha`` says how far, ``sigma`` how smooth."""

    def __init__(
        self, alpha: Any = 50.0, sigma: Any = 5.0, interpolation: Any = InterpolationMode.BILINEAR, fill: Any = 0
    ):
        super().__init__()
        self.alpha, self.sigma = (
            [float(v)] * 2 if isinstance(v, (int, float)) else [float(i) for i in (v if len(v) == 2 else v * 2)]
            for v in (alpha, sigma)
        )
        self.interpolation = interpolation
        self.fill = [float(fill)] if isinstance(fill, (int, float)) else [float(f) for f in fill]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, interpolation={self.interpolation}, fill={self.fill})"

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        return _shared.elastic_displacement(size, alpha, sigma)

    def forward(self, tensor: Any) -> Any:
        _, height, width = F.get_dimensions(tensor)
        return F.elastic_transform(
            tensor, self.get_params(self.alpha, self.sigma, [height, width]), self.interpolation, self.fill
        )
