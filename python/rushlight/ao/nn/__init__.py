"""Modules of models that are to be quantised, and of those that are."""

from ... import _missing
from . import intrinsic, qat, quantized

__all__ = ["intrinsic", "qat", "quantized"]
__getattr__ = _missing.getattr_of(__name__)
