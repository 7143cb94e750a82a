"""Numbers and events that a program logs, and what is to be done with them: as torch.monitor."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

__all__ = [
    "STAT_EVENT",
    "Aggregation",
    "Event",
    "EventHandlerHandle",
    "Stat",
    "TensorboardEventHandler",
    "data_value_t",
    "log_event",
    "register_event_handler",
    "unregister_event_handler",
]

STAT_EVENT = "torch.monitor.Stat"
data_value_t = str | float | int | bool  # noqa: N816


class Aggregation(enum.Enum):
    """What becomes of the numbers of one window of time: the last one, their mean, how many, their sum, the largest, the smallest."""

    VALUE = 1
    MEAN = 2
    COUNT = 3
    SUM = 4
    MAX = 5
    MIN = 6

    def __str__(self) -> str:
        return f"Aggregation.{self.name}"


_OF = {
    Aggregation.VALUE: lambda values: values[-1],
    Aggregation.MEAN: lambda values: sum(values) / len(values),
    Aggregation.COUNT: len,
    Aggregation.SUM: sum,
    Aggregation.MAX: max,
    Aggregation.MIN: min,
}


class Event:
    """Something that happened: a name, when, and data by name: texts, numbers, truth values. TypeError for others."""

    def __init__(self, name: str, timestamp: datetime, data: dict[str, data_value_t]) -> None:
        if not isinstance(name, str) or not isinstance(timestamp, datetime) or not isinstance(data, dict):
            got = ", ".join(type(x).__name__ for x in (name, timestamp, data))
            raise TypeError(f"Event: expected a str, a datetime and a dict, got {got}")
        for key, value in data.items():
            if not isinstance(key, str) or not isinstance(value, (str, float, int)):
                raise TypeError(
                    f"Event: data['{key}']: expected a str, float, int or bool under a str, got {type(value).__name__}"
                )
        self.name, self.timestamp, self.data = name, timestamp, dict(data)


class EventHandlerHandle:
    """What unregister_event_handler takes."""


_handlers: dict[EventHandlerHandle, Callable[[Event], None]] = {}


def register_event_handler(callback: Callable[[Event], None]) -> EventHandlerHandle:
    """Has ``callback`` called with each event that is logged from here on.

    >>> handle = register_event_handler(lambda event: print(event.name, event.data))
    >>> log_event(Event("epoch", datetime.now(), {"loss": 0.5}))
    epoch {'loss': 0.5}
    >>> unregister_event_handler(handle)
    """
    if not callable(callback):
        raise TypeError(f"register_event_handler: expected a function of an Event, got {type(callback).__name__}")
    handle = EventHandlerHandle()
    _handlers[handle] = callback
    return handle


def unregister_event_handler(handler: EventHandlerHandle) -> None:
    """Ends what register_event_handler began; nothing if that has ended."""
    _handlers.pop(handler, None)


def log_event(event: Event) -> None:
    """Hands an event to all handlers, in the order in which they came; what one raises comes out here."""
    for handler in list(_handlers.values()):
        handler(event)


class Stat:
    """Numbers that are logged together, once for each window of time, as an event named STAT_EVENT with data {"name.sum": ...}.

    A window is logged with the first number after it, or when it has ``max_samples`` numbers; more in the same window are dropped.

    >>> loss = Stat("loss", [Aggregation.MEAN, Aggregation.COUNT], timedelta(hours=1), max_samples=2)
    >>> loss.add(1.0)
    >>> loss.add(2.0)
    >>> loss.get()[Aggregation.MEAN]
    1.5
    """

    def __init__(
        self, name: str, aggregations: Sequence[Aggregation], window_size: timedelta, max_samples: int = 2**63 - 1
    ) -> None:
        if not isinstance(window_size, timedelta) or window_size <= timedelta(0):
            raise TypeError(f"Stat: expected window_size to be a timedelta above 0, got {window_size!r}")
        for a in aggregations:
            if not isinstance(a, Aggregation):
                raise TypeError(f"Stat: expected aggregations to be of Aggregation, got {a!r}")
        self._name, self._wanted = name, tuple(aggregations)
        self._seconds, self._max = window_size.total_seconds(), max_samples
        self._lock = threading.Lock()
        self._window = self._now()
        self._values: list[float] = []
        self._logged_early = False
        self._last: dict[Aggregation, float] = dict.fromkeys(self._wanted, 0.0)

    def _now(self) -> int:
        return int(time.time() / self._seconds)

    @property
    def name(self) -> str:
        return self._name

    @property
    def count(self) -> int:
        """How many numbers the window has, until it is logged."""
        return len(self._values)

    def add(self, v: float) -> None:
        """Adds a number, and logs the window before if this one is the first after it."""
        value, events = float(v), []
        with self._lock:
            if (now := self._now()) != self._window:
                events.append(self._close())
                self._window, self._logged_early = now, False
            if not self._logged_early:
                self._values.append(value)
                if len(self._values) >= self._max:
                    events.append(self._close())
                    self._logged_early = True
        for event in events:
            if event is not None:
                log_event(event)

    def get(self) -> dict[Aggregation, float]:
        """What the last window came to that was logged; zeros before."""
        return dict(self._last)

    def _close(self) -> Event | None:
        if not self._values:
            return None
        self._last = {a: float(_OF[a](self._values)) for a in self._wanted}
        self._values = []
        data: dict[str, Any] = {f"{self._name}.{a.name.lower()}": value for a, value in self._last.items()}
        return Event(STAT_EVENT, datetime.now(), data)


class TensorboardEventHandler:
    """Writes the numbers of each Stat to TensorBoard.

    Args: writer: a torch.utils.tensorboard.SummaryWriter.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def __call__(self, event: Event) -> None:
        if event.name == STAT_EVENT:
            for name, value in event.data.items():
                self._writer.add_scalar(name, value, walltime=event.timestamp.timestamp())
