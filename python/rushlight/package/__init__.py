"""Packages of PyTorch's (torch.package): models with the Python code that they need, read. Loading one runs its code."""

from __future__ import annotations

from .. import _missing
from ._importer import PackageImporter

__all__ = ["PackageImporter"]
__getattr__ = _missing.getattr_of(__name__)
