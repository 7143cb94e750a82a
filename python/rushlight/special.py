"""Special functions."""

from . import _C
from ._missing import getattr_of as _getattr_of
from ._namespaces import functions_of as _functions_of

_functions = _functions_of(_C._special, "special_")
globals().update(_functions)
__all__ = sorted(_functions)

__getattr__ = _getattr_of(__name__)
