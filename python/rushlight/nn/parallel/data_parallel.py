"""Where PyTorch defines DataParallel and data_parallel; programs import from here too."""

from . import DataParallel, data_parallel
from ._callable import callable_module

__all__ = ["DataParallel", "data_parallel"]

callable_module(__name__, data_parallel)
