"""The older name of rushlight.profiler."""

from __future__ import annotations

from typing import Any

from .. import profiler as _profiler
from .._missing import unsupported as _unsupported
from ..profiler import EventList, FunctionEvent, record_function

__all__ = ["EventList", "FunctionEvent", "emit_itt", "emit_nvtx", "profile", "record_function"]


class emit_nvtx:  # noqa: N801
    """Marks for NVIDIA's tools: raises UnsupportedError unless `enabled` is False."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        if enabled:
            raise _unsupported(f"autograd.profiler.{type(self).__name__}", "torch.profiler.profile records operators")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc: Any) -> None:
        pass


class emit_itt(emit_nvtx):  # noqa: N801
    """Marks for Intel's tools: raises UnsupportedError unless `enabled` is False."""


class profile(_profiler.profile):  # noqa: N801
    """``profile(enabled=True)``: nothing is recorded where ``enabled`` is False."""

    def __init__(self, enabled: bool = True, *, record_shapes: bool = False, **options: Any) -> None:
        super().__init__(record_shapes=record_shapes)
        self.enabled = enabled

    def _recorded(self) -> bool:
        return self.enabled

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """The events as a table, as EventList.table has it."""
        return self.events().table(sort_by, row_limit, **options)

    def total_average(self) -> Any:
        """All events in one row."""
        return self.events().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events, each without those inside."""
        return sum(event.self_cpu_time_total for event in self.events())

    def __repr__(self) -> str:
        return str(self.events())
