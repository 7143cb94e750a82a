"""The old names of what torch.library has."""

from .library import custom_op, get_ctx

__all__ = ["custom_op", "get_ctx"]
