"""Quantising models: not there. The modules that mark where it would happen are, and pass on what they get."""

from __future__ import annotations

from typing import Any

from ... import _missing
from ...nn import Module

__all__ = ["DeQuantStub", "QuantStub"]


class QuantStub(Module):
    """Where a model's input would be quantised; passes it on."""

    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig is not None:
            self.qconfig = qconfig

    def forward(self, x: Any) -> Any:
        return x


class DeQuantStub(QuantStub):
    """Where a model's output would be made floating point again; passes it on."""


__getattr__ = _missing.getattr_of(__name__)
