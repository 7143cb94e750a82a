"""AutoAugment, RandAugment, TrivialAugmentWide and AugMix, version 2; they change the one image of a sample."""

from __future__ import annotations

from typing import Any

import rushlight as torch
from rushlight import Tensor
from rushlight.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors as tv
from .. import _image, _policies
from .._dispatch import InterpolationMode, get_size, is_pil, mode_of
from ..autoaugment import AutoAugmentPolicy
from . import functional as F
from ._transform import Transform, checked_fill, fill_of, is_image

__all__ = ["AugMix", "AutoAugment", "RandAugment", "TrivialAugmentWide"]


def _pick(n: int) -> int:
    return int(torch.randint(n, ()))


class _Auto(Transform):
    def __init__(self, interpolation: Any, fill: Any):
        super().__init__()
        self.interpolation, self.fill = InterpolationMode(mode_of(interpolation)), checked_fill(fill)

    def forward(self, *inputs: Any) -> Any:
        flat, spec = tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        change = self._needs_transform_list(flat)
        found = []
        for i, (x, c) in enumerate(zip(flat, change)):
            if c and is_image(x):
                found.append(i)
            elif isinstance(x, (tv.BoundingBoxes, tv.KeyPoints, tv.Mask)):
                raise TypeError(f"Inputs of type {type(x).__name__} are not supported by {type(self).__name__}()")
        if len(found) != 1:
            raise TypeError(
                f"{type(self).__name__}() expects one image or video in the sample" + (", but found none" if not found else f", got {len(found)}")
                if not found else "Auto augment transformations are only properly defined for a single image or video, but found multiple."
            )  # fmt: skip
        image = flat[found[0]]
        flat[found[0]] = self._augmented(image, *get_size(image))
        return tree_unflatten(flat, spec)

    def _apply(self, image: Any, op: str, magnitude: float) -> Any:
        if op == "Solarize":  # of values from 0 to 1
            return F.solarize(
                image, magnitude / 255.0 * (_image.max_of(image.dtype) if isinstance(image, Tensor) else 255.0)
            )
        return _policies.apply_op(F, image, op, magnitude, self.interpolation, fill_of(self.fill, image))

    def _signed(self, magnitude: float, signed: bool) -> float:
        return -magnitude if signed and torch.rand(()) <= 0.5 else magnitude

    def _augmented(self, image: Any, height: int, width: int) -> Any:
        raise NotImplementedError


class AutoAugment(_Auto):
    """One of 25 pairs of operations."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ):
        super().__init__(interpolation, fill)
        self.policy = policy
        self._policies = _policies.POLICIES[policy.value]

    def _augmented(self, image: Any, height: int, width: int) -> Any:
        for op, p, level in self._policies[_pick(len(self._policies))]:
            if not torch.rand(()) <= p:
                continue
            magnitudes, signed = _policies.auto_space(10, height, width)[op]
            magnitude = self._signed(float(magnitudes[level]), signed) if magnitudes.ndim else 0.0
            image = self._apply(image, op, magnitude)
        return image


class RandAugment(_Auto):
    """``num_ops`` random operations, all of one magnitude."""

    def __init__(
        self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ):  # fmt: skip
        super().__init__(interpolation, fill)
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins

    def _augmented(self, image: Any, height: int, width: int) -> Any:
        for _ in range(self.num_ops):
            space = _policies.rand_space(self.num_magnitude_bins, height, width)
            op = list(space)[_pick(len(space))]
            magnitudes, signed = space[op]
            magnitude = self._signed(float(magnitudes[self.magnitude]), signed) if magnitudes.ndim else 0.0
            image = self._apply(image, op, magnitude)
        return image


class TrivialAugmentWide(_Auto):
    """One random operation of a random magnitude."""

    def __init__(self, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None):
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augmented(self, image: Any, height: int, width: int) -> Any:
        space = _policies.trivial_space(self.num_magnitude_bins)
        op = list(space)[_pick(len(space))]
        magnitudes, signed = space[op]
        magnitude = self._signed(float(magnitudes[_pick(self.num_magnitude_bins)]), signed) if magnitudes.ndim else 0.0
        return self._apply(image, op, magnitude)


class AugMix(_Auto):
    """A mean of chains of random operations, mixed with the image itself."""

    def __init__(
        self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0, all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None,
    ):  # fmt: skip
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth, self.alpha, self.all_ops = (
            severity,
            mixture_width,
            chain_depth,
            alpha,
            all_ops,
        )

    def _augmented(self, image: Any, height: int, width: int) -> Any:
        plain = F.pil_to_tensor(image) if is_pil(image) else image
        shape, n = list(plain.shape), 5 if isinstance(image, tv.Video) else 4
        batch = plain.reshape([1] * max(n - plain.ndim, 0) + shape)
        dims = [batch.shape[0]] + [1] * (batch.ndim - 1)
        weights = torch._sample_dirichlet(torch.tensor([self.alpha, self.alpha]).expand(dims[0], -1))
        chains = torch._sample_dirichlet(torch.tensor([self.alpha] * self.mixture_width).expand(dims[0], -1))
        chains = chains * weights[:, 1].reshape([dims[0], -1])
        mix = weights[:, 0].reshape(dims) * batch
        space = _policies.mix_space(10, height, width, self.all_ops)
        for i in range(self.mixture_width):
            aug = batch
            for _ in range(self.chain_depth if self.chain_depth > 0 else int(torch.randint(low=1, high=4, size=()))):
                op = list(space)[_pick(len(space))]
                magnitudes, signed = space[op]
                magnitude = self._signed(float(magnitudes[_pick(self.severity)]), signed) if magnitudes.ndim else 0.0
                aug = self._apply(aug, op, magnitude)
            mix.add_(chains[:, i].reshape(dims) * aug)
        mix = mix.reshape(shape).to(dtype=plain.dtype)
        if isinstance(image, tv.TVTensor):
            return tv.wrap(mix, like=image)
        return F.to_pil_image(mix) if is_pil(image) else mix
