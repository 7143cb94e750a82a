"""The first form of torch.library's custom operators."""

from .._missing import getattr_of as _getattr_of

__getattr__ = _getattr_of(__name__)
