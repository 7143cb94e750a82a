"""Augmentations of policies that were searched for, version 1: AutoAugment, RandAugment, TrivialAugmentWide, AugMix."""

from __future__ import annotations

import enum
from typing import Any

import rushlight as torch
from rushlight import Tensor, nn

from . import functional as F
from ._policies import POLICIES, apply_op, auto_space, mix_space, rand_space, trivial_space
from .functional import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]


class AutoAugmentPolicy(enum.Enum):
    """The data set that a policy was searched on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


class _Augment(nn.Module):
    interpolation: Any
    fill: Any

    def _size(self, img: Any) -> tuple[Any, int, int]:
        channels, height, width = F.get_dimensions(img)
        fill = self.fill
        if isinstance(img, Tensor) and fill is not None:
            fill = [float(fill)] * channels if isinstance(fill, (int, float)) else [float(f) for f in fill]
        return fill, height, width

    def _apply(self, img: Any, op: str, magnitude: float, fill: Any) -> Any:
        return apply_op(F, img, op, magnitude, self.interpolation, fill)


class AutoAugment(_Augment):
    """One of 25 pairs of operations."""

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ):
        super().__init__()
        if not isinstance(policy, AutoAugmentPolicy):
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy, self.interpolation, self.fill = policy, interpolation, fill
        self.policies = POLICIES[policy.value]

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        policy = int(torch.randint(transform_num, (1,)).item())
        return policy, torch.rand((2,)), torch.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        fill, height, width = self._size(img)
        policy, chances, signs = self.get_params(len(self.policies))
        for i, (op, p, level) in enumerate(self.policies[policy]):
            if chances[i] <= p:
                magnitudes, signed = auto_space(10, height, width)[op]
                magnitude = float(magnitudes[level].item()) if level is not None else 0.0
                img = self._apply(img, op, -magnitude if signed and signs[i] == 0 else magnitude, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(_Augment):
    """``num_ops`` random operations, all of one magnitude."""

    def __init__(
        self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ):  # fmt: skip
        super().__init__()
        self.num_ops, self.magnitude, self.num_magnitude_bins = num_ops, magnitude, num_magnitude_bins
        self.interpolation, self.fill = interpolation, fill

    def forward(self, img: Any) -> Any:
        fill, height, width = self._size(img)
        for _ in range(self.num_ops):
            space = rand_space(self.num_magnitude_bins, height, width)
            op = list(space)[int(torch.randint(len(space), (1,)).item())]
            magnitudes, signed = space[op]
            magnitude = float(magnitudes[self.magnitude].item()) if magnitudes.ndim > 0 else 0.0
            if signed and torch.randint(2, (1,)):
                magnitude = -magnitude
            img = self._apply(img, op, magnitude, fill)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_ops={self.num_ops}, magnitude={self.magnitude}, num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


class TrivialAugmentWide(_Augment):
    """One random operation of a random magnitude."""

    def __init__(self, num_magnitude_bins: int = 31, interpolation: Any = InterpolationMode.NEAREST, fill: Any = None):
        super().__init__()
        self.num_magnitude_bins, self.interpolation, self.fill = num_magnitude_bins, interpolation, fill

    def forward(self, img: Any) -> Any:
        fill, _, _ = self._size(img)
        space = trivial_space(self.num_magnitude_bins)
        op = list(space)[int(torch.randint(len(space), (1,)).item())]
        magnitudes, signed = space[op]
        magnitude = 0.0
        if magnitudes.ndim > 0:
            magnitude = float(magnitudes[torch.randint(len(magnitudes), (1,), dtype=torch.long)].item())
        if signed and torch.randint(2, (1,)):
            magnitude = -magnitude
        return self._apply(img, op, magnitude, fill)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, fill={self.fill})"


class AugMix(_Augment):
    """A mean of chains of random operations, mixed with the image itself."""

    def __init__(
        self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0, all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None,
    ):  # fmt: skip
        super().__init__()
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth, self.alpha = severity, mixture_width, chain_depth, alpha
        self.all_ops, self.interpolation, self.fill = all_ops, interpolation, fill

    def _sample_dirichlet(self, params: Tensor) -> Tensor:
        return torch._sample_dirichlet(params)

    def forward(self, orig_img: Any) -> Any:
        fill, height, width = self._size(orig_img)
        img = orig_img if isinstance(orig_img, Tensor) else F.pil_to_tensor(orig_img)
        shape = list(img.shape)
        batch = img.view([1] * max(4 - img.ndim, 0) + shape)
        dims = [batch.size(0)] + [1] * (batch.ndim - 1)
        weights = self._sample_dirichlet(torch.tensor([self.alpha, self.alpha]).expand(dims[0], -1))
        chains = self._sample_dirichlet(torch.tensor([self.alpha] * self.mixture_width).expand(dims[0], -1)) * weights[
            :, 1
        ].view([dims[0], -1])
        mix = weights[:, 0].view(dims) * batch
        space = mix_space(10, height, width, self.all_ops)
        for i in range(self.mixture_width):
            aug = batch
            depth = self.chain_depth if self.chain_depth > 0 else int(torch.randint(low=1, high=4, size=(1,)).item())
            for _ in range(depth):
                op = list(space)[int(torch.randint(len(space), (1,)).item())]
                magnitudes, signed = space[op]
                magnitude = 0.0
                if magnitudes.ndim > 0:
                    magnitude = float(magnitudes[torch.randint(self.severity, (1,), dtype=torch.long)].item())
                if signed and torch.randint(2, (1,)):
                    magnitude = -magnitude
                aug = self._apply(aug, op, magnitude, fill)
            mix.add_(chains[:, i].view(dims) * aug)
        mix = mix.view(shape).to(dtype=img.dtype)
        return mix if isinstance(orig_img, Tensor) else F.to_pil_image(mix)

    def __repr__(self) -> str:
        names = ("severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill")
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)}' for n in names)})"
