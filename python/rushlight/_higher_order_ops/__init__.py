"""Functions of functions that PyTorch's compiler knows; here they run as they are written."""

from .. import _missing
from .associative_scan import associative_scan
from .cond import cond
from .map import map  # noqa: A004
from .scan import scan
from .while_loop import while_loop

__all__ = ["associative_scan", "cond", "map", "scan", "while_loop"]
__getattr__ = _missing.getattr_of(__name__)
