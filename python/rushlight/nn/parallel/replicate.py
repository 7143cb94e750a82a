"""Where PyTorch defines replicate; programs import from here too."""

from . import replicate
from ._callable import callable_module

__all__ = ["replicate"]

callable_module(__name__, replicate)
