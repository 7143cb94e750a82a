"""Transforms of images, version 1: of tensors ``(..., C, H, W)`` and PIL images. ``transforms.v2`` has more.

>>> import rushlight as torch
>>> prepare = Compose([Resize(8), CenterCrop(6), ConvertImageDtype(torch.float), Normalize([0.5] * 3, [0.5] * 3)])
>>> prepare(torch.full((3, 16, 20), 255, dtype=torch.uint8)).unique()
tensor([1.])
"""

from __future__ import annotations

import importlib as _importlib

from .autoaugment import *  # noqa: F403
from .transforms import *  # noqa: F403


def __getattr__(name: str):
    if name in ("functional", "v2", "_presets", "transforms", "autoaugment"):
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'rushlight.vision.transforms' has no attribute '{name}'")
