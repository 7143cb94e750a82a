"""Exported programs (.pt2): graphs of ATen operators with their weights, read and run; nothing in a file is executed but its operators."""

from __future__ import annotations

from .. import _missing
from ._program import ExportedProgram, load

__all__ = ["ExportedProgram", "load"]
__getattr__ = _missing.getattr_of(__name__)
