"""What belongs to deterministic algorithms: whether memory that nobody wrote is filled."""

from __future__ import annotations

import sys
import types

from rushlight import _settings


class _Module(types.ModuleType):
    @property
    def fill_uninitialized_memory(self) -> bool:
        """Whether torch.empty and its like give NaN, or the largest number, while use_deterministic_algorithms(True) is in effect."""
        return _settings._fill

    @fill_uninitialized_memory.setter
    def fill_uninitialized_memory(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise RuntimeError(f"fill_uninitialized_memory: expected a bool, but got {type(mode).__name__}")
        _settings.fill_fresh_memory(mode)


sys.modules[__name__].__class__ = _Module
