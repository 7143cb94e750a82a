"""Settings of PyTorch's code generator, which programs set: they change nothing."""

from .. import _missing
from . import config

__getattr__ = _missing.getattr_of(__name__)
