"""DeepLabV3."""

from .._registry import weights_getattr
from ._networks import (  # type: ignore[attr-defined]  # noqa: F401
    ASPP,
    ASPPPooling,
    DeepLabHead,
    DeepLabV3,
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
)

__getattr__ = weights_getattr(__name__)
