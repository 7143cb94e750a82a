"""Transforms of version 2: of images, videos, masks, boxes and points, alone or in any structure (a sample).

>>> import rushlight as torch
>>> from rushlight.vision import tv_tensors
>>> boxes = tv_tensors.BoundingBoxes([[0, 0, 10, 10]], format="XYXY", canvas_size=(20, 30))
>>> image, target = RandomHorizontalFlip(p=1)(torch.zeros(3, 20, 30), {"boxes": boxes, "label": 3})
>>> target["boxes"].tolist(), target["label"]
([[20, 0, 30, 10]], 3)
"""

from __future__ import annotations

import importlib as _importlib

from ..autoaugment import AutoAugmentPolicy  # noqa: F401
from ._auto import *  # noqa: F403
from ._classes import *  # noqa: F403
from ._geometry import *  # noqa: F403
from ._samples import *  # noqa: F403
from ._transform import (  # noqa: F401
    Transform,
    check_type,
    get_bounding_boxes,
    get_keypoints,
    has_all,
    has_any,
    query_chw,
    query_size,
)
from ._values import *  # noqa: F403


def __getattr__(name: str):
    if name == "functional":
        return _importlib.import_module(f"{__name__}.functional")
    raise AttributeError(f"module 'rushlight.vision.transforms.v2' has no attribute '{name}'")
