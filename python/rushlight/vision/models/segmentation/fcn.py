"""FCN."""

from .._registry import weights_getattr
from ._networks import FCN, FCNHead, fcn_resnet50, fcn_resnet101  # type: ignore[attr-defined]  # noqa: F401

__getattr__ = weights_getattr(__name__)
