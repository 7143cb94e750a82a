"""Functions of functions that PyTorch's compiler knows; here they run as they are written."""

from .. import _missing
from .associative_scan import associative_scan

__all__ = ["associative_scan"]
__getattr__ = _missing.getattr_of(__name__)
