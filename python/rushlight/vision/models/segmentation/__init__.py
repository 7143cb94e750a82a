"""Models that say what each pixel belongs to."""

from .._registry import weights_getattr
from ._networks import *  # noqa: F403

__getattr__ = weights_getattr(__name__)
