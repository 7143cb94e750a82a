"""Where PyTorch keeps the profiler's events."""

from __future__ import annotations

from .. import _missing
from ..profiler import EventList, FunctionEvent, FunctionEventAvg

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg"]
__getattr__ = _missing.getattr_of(__name__)
