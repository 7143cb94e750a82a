"""Where programs look for the class of compiled modules."""

from .._compile import OptimizedModule
from ..compiler import disable

__all__ = ["OptimizedModule", "disable", "is_dynamo_supported"]


def is_dynamo_supported() -> bool:
    """Whether programs are compiled: they are not."""
    return False
