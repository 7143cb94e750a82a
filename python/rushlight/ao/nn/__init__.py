"""Modules of models that are to be quantised."""

from ... import _missing
from . import quantized

__all__ = ["quantized"]
__getattr__ = _missing.getattr_of(__name__)
