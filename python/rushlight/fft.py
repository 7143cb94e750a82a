"""Fourier transforms."""

from . import _C
from ._missing import getattr_of as _getattr_of
from ._namespaces import functions_of

globals().update(functions_of(_C._fft, "fft_"))

__getattr__ = _getattr_of(__name__)
