"""Where programs look for the class of compiled modules."""

from .._compile import OptimizedModule
from ..compiler import disable

__all__ = ["OptimizedModule", "disable"]
