"""Quantising models: observers, qconfigs, and the functions that put quantised layers in the places of others."""

from __future__ import annotations

from ... import _missing
from . import fake_quantize, observer, qconfig, stubs
from . import fuse_modules as _fuse_modules
from . import quantize as _quantize
from .fake_quantize import *  # noqa: F403
from .fuse_modules import *  # noqa: F403
from .observer import *  # noqa: F403
from .qconfig import *  # noqa: F403
from .quantize import *  # noqa: F403
from .stubs import *  # noqa: F403

__all__ = [
    *fake_quantize.__all__, *_fuse_modules.__all__, *observer.__all__, *qconfig.__all__, *_quantize.__all__, *stubs.__all__,
]  # fmt: skip
__getattr__ = _missing.getattr_of(__name__)
