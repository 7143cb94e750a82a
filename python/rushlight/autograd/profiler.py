"""The older name of rushlight.profiler."""

from __future__ import annotations

from typing import Any

from .. import profiler as _profiler
from ..profiler import EventList, FunctionEvent, record_function

__all__ = ["EventList", "FunctionEvent", "profile", "record_function"]


class profile(_profiler.profile):  # noqa: N801
    """``profile(enabled=True)``: nothing is recorded where ``enabled`` is False."""

    def __init__(self, enabled: bool = True, *, record_shapes: bool = False, **options: Any) -> None:
        super().__init__(record_shapes=record_shapes)
        self.enabled = enabled

    def _recorded(self) -> bool:
        return self.enabled
