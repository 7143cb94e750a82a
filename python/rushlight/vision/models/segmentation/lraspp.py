"""LR-ASPP."""

from .._registry import weights_getattr
from ._networks import LRASPP, LRASPPHead, lraspp_mobilenet_v3_large  # type: ignore[attr-defined]  # noqa: F401

__getattr__ = weights_getattr(__name__)
