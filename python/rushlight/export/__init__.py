"""Exported programs (.pt2): graphs of ATen operators with their weights: made, written, read and run; nothing in a file is executed but its
operators. ``rushlight.export(model, args)`` is ``rushlight.export.export``."""

from __future__ import annotations

import sys
import types
from typing import Any

from .. import _missing
from ._dims import Dim, dims
from ._export import export, save
from ._program import ExportedProgram, load

__all__ = ["Dim", "ExportedProgram", "dims", "export", "load", "save"]
__getattr__ = _missing.getattr_of(__name__)


class _Callable(types.ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> ExportedProgram:
        return export(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
