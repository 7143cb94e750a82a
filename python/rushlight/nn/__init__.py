"""Neural networks: modules, functions, initialisation."""

from typing import TYPE_CHECKING

from . import functional, init, modules, parameter, utils
from .modules import *  # noqa: F403
from .parameter import Buffer, Parameter

if not TYPE_CHECKING:  # see modules/__init__.py
    __all__ = [*modules.__all__, "Buffer", "Parameter", "functional", "init", "modules", "parameter", "utils"]
