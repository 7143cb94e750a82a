"""Where PyTorch defines parallel_apply; programs import from here too."""

from . import parallel_apply
from ._callable import callable_module

__all__ = ["parallel_apply"]

callable_module(__name__, parallel_apply)
