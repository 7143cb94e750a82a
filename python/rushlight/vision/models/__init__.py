"""Models of images: constructors, classes and weights under torchvision's names.

>>> model = resnet18(num_classes=10)
>>> sum(p.numel() for p in model.parameters())
11181642
>>> get_model_weights("resnet18").DEFAULT
ResNet18_Weights.IMAGENET1K_V1
"""

from __future__ import annotations

import importlib as _importlib
import sys as _sys
from importlib.util import find_spec as _find_spec

from ... import _missing
from . import _registry
from ._registry import (  # noqa: F401
    Weights,
    WeightsEnum,
    get_model,
    get_model_builder,
    get_model_weights,
    get_weight,
    list_models,
    register_model,
)
from .alexnet import *  # noqa: F403
from .convnext import *  # noqa: F403
from .densenet import *  # noqa: F403
from .efficientnet import *  # noqa: F403
from .googlenet import *  # noqa: F403
from .inception import *  # noqa: F403
from .mnasnet import *  # noqa: F403
from .mobilenetv2 import *  # noqa: F403
from .mobilenetv3 import *  # noqa: F403
from .regnet import *  # noqa: F403
from .resnet import *  # noqa: F403
from .shufflenetv2 import *  # noqa: F403
from .squeezenet import *  # noqa: F403
from .swin_transformer import *  # noqa: F403
from .vgg import *  # noqa: F403
from .vision_transformer import *  # noqa: F403


def __getattr__(name: str):
    if name.endswith("_Weights"):
        return _registry.weights_getattr(__name__)(name)
    if not name.startswith("__") and _find_spec(f"{__name__}.{name}") is not None:
        return _importlib.import_module(f"{__name__}.{name}")
    raise _missing.missing_name(_sys.modules[__name__], name)
