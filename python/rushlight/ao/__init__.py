"""Quantisation by PyTorch's newer name. What models contain before they are quantised is here; quantising them is not."""

from .. import _missing
from . import nn, quantization

__all__ = ["nn", "quantization"]
__getattr__ = _missing.getattr_of(__name__)
