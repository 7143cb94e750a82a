"""A profiler of operator calls: what ran, how often, how long, and what it allocated.

>>> with torch.profiler.profile() as prof:
...     _ = torch.ones(2, 2) + 1
>>> sorted(row.key for row in prof.key_averages())
['aten::add', 'aten::ones']
"""

from __future__ import annotations

import enum
import functools
import json
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import _C

__all__ = [
    "FunctionEvent",
    "DeviceType",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


class DeviceType(enum.Enum):
    """Where an event ran."""

    CPU = 0
    CUDA = 1


class ProfilerActivity(enum.Enum):
    """What can be recorded; here the CPU's work is, whatever is asked for."""

    CPU = 0
    XPU = 1
    CUDA = 2
    MTIA = 3
    HPU = 4
    PrivateUse1 = 5


def kineto_available() -> bool:
    """Whether PyTorch's library for traces is built in: this is a profiler of rushlight's own."""
    return False


class ProfilerAction(enum.Enum):
    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    return {ProfilerActivity.CPU}


class Interval:
    """From when to when, in microseconds."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        return self.end - self.start


class FunctionEvent:
    """One call, with the calls inside of it. Times are in microseconds."""

    def __init__(
        self,
        id: int,
        name: str,
        thread: int = 0,
        start_us: float = 0,
        end_us: float = 0,
        *,
        input_shapes: Sequence[Sequence[int]] | None = None,
        cpu_memory_usage: int = 0,
        **_: Any,
    ) -> None:
        self.id, self.name, self.thread = id, name, thread
        self.start_us, self.end_us = start_us, end_us
        self.input_shapes = [list(s) for s in input_shapes or ()]
        self.cpu_memory_usage = cpu_memory_usage
        self.is_range = False
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.count = 1

    def append_cpu_child(self, child: FunctionEvent) -> None:
        self.cpu_children.append(child)
        child.cpu_parent = self

    @property
    def depth(self) -> int:
        return 0 if self.cpu_parent is None else self.cpu_parent.depth + 1

    @property
    def cpu_time_total(self) -> float:
        return self.end_us - self.start_us

    @property
    def self_cpu_time_total(self) -> float:
        return self.cpu_time_total - sum(c.cpu_time_total for c in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        return self.cpu_memory_usage - sum(c.cpu_memory_usage for c in self.cpu_children)

    device_type = DeviceType.CPU
    device_time_total = self_device_time_total = device_memory_usage = self_device_memory_usage = 0
    cuda_time_total = self_cuda_time_total = cuda_memory_usage = self_cuda_memory_usage = 0
    key = property(lambda self: self.name)
    cpu_time = property(lambda self: self.cpu_time_total)
    time_range = property(lambda self: Interval(self.start_us, self.end_us))

    def __repr__(self) -> str:
        return f"<FunctionEvent name={self.name} cpu_time={_time(self.cpu_time_total)} depth={self.depth}>"


def _events_of(rows: list[tuple]) -> list[FunctionEvent]:
    """What was recorded, in the order in which calls began."""
    events: list[FunctionEvent] = []
    around: list[FunctionEvent] = []
    for name, start, end, size, depth, is_range, shapes in rows:
        shown = name if is_range or "::" in name else f"aten::{name}"
        event = FunctionEvent(
            len(events), shown, 0, start / 1000, end / 1000, input_shapes=shapes, cpu_memory_usage=size
        )
        event.is_range = is_range
        del around[depth:]
        if around:
            around[-1].append_cpu_child(event)
        around.append(event)
        events.append(event)
    return events


class FunctionEventAvg:
    """The calls of one operator together."""

    def __init__(self, key: str | None = None) -> None:
        self.key: Any = key  # None: that of the first call
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.input_shapes: Any = []

    def add(self, event: FunctionEvent | FunctionEventAvg) -> None:
        if self.key is None:
            self.key = event.key
        self.count += event.count
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.cpu_memory_usage += event.cpu_memory_usage
        self.self_cpu_memory_usage += event.self_cpu_memory_usage

    device_type = DeviceType.CPU
    device_time_total = self_device_time_total = device_memory_usage = self_device_memory_usage = 0
    cuda_time_total = self_cuda_time_total = cuda_memory_usage = self_cuda_memory_usage = 0
    cpu_time = property(lambda self: self.cpu_time_total / max(self.count, 1))

    def __repr__(self) -> str:
        return f"<FunctionEventAvg key={self.key} self_cpu_time={_time(self.self_cpu_time_total)} cpu_time={_time(self.cpu_time)} count={self.count}>"


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def _bytes(n: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(n) >= size:
            return f"{n / size:.2f} {unit}"
    return f"{n} B"


class EventList(list):
    """Events, or averages of them, that print as a table."""

    def _populate_cpu_children(self) -> None:
        """Gives each event that lies within another one of its thread to the innermost such."""
        around: list[FunctionEvent] = []
        for event in sorted(self, key=lambda e: (e.thread, e.start_us, -e.end_us)):
            while around and (
                event.thread != around[-1].thread
                or event.start_us >= around[-1].end_us
                or event.end_us > around[-1].end_us
            ):
                around.pop()
            if around:
                around[-1].append_cpu_child(event)
            around.append(event)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The rows as text, sorted by one of their attributes, the largest first."""
        rows = [r for r in self if not top_level_events_only or getattr(r, "depth", 0) == 0]
        if sort_by is not None:
            attribute = {"name": "key"}.get(sort_by, sort_by).replace("device_", "cpu_").replace("cuda_", "cpu_")
            if rows and not hasattr(rows[0], attribute):
                raise AttributeError(f"table: no column {sort_by!r} to sort by")
            rows = sorted(rows, key=lambda r: getattr(r, attribute), reverse=True)
        total = sum(r.self_cpu_time_total for r in self) or 1.0
        columns = [
            "Name",
            "Self CPU %",
            "Self CPU",
            "CPU total %",
            "CPU total",
            "CPU time avg",
            "CPU Mem",
            "Self CPU Mem",
            "# of Calls",
        ]
        shapes = any(r.input_shapes for r in rows)
        lines = [columns + ["Input Shapes"] * shapes]
        for r in rows[:row_limit] if row_limit >= 0 else rows:
            name = r.key if len(r.key) <= max_name_column_width else r.key[: max_name_column_width - 3] + "..."
            lines.append(
                [
                    name,
                    f"{100 * r.self_cpu_time_total / total:.2f}%",
                    _time(r.self_cpu_time_total),
                    f"{100 * r.cpu_time_total / total:.2f}%",
                    _time(r.cpu_time_total),
                    _time(r.cpu_time),
                    _bytes(r.cpu_memory_usage),
                    _bytes(r.self_cpu_memory_usage),
                    str(r.count),
                ]
                + [str(r.input_shapes)] * shapes
            )
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        rule = "  ".join("-" * w for w in widths)
        text = [rule, *("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in lines), rule]
        text.insert(2, rule)
        text.append(f"Self CPU time total: {_time(total if self else 0.0)}")
        return ("" if header is None else header + "\n") + "\n".join(text) + "\n"

    def total_average(self) -> FunctionEventAvg:
        out = FunctionEventAvg("Total")
        for event in self:
            out.add(event)
        return out

    def key_averages(self, group_by_input_shapes: bool = False, **_: Any) -> EventList:
        groups: dict[Any, FunctionEventAvg] = {}
        for event in self:
            shapes = str(event.input_shapes) if group_by_input_shapes else ""
            group = groups.setdefault((event.key, shapes), FunctionEventAvg(event.key))
            group.add(event)
            if group_by_input_shapes:
                group.input_shapes = event.input_shapes
        return EventList(groups.values())

    def export_chrome_trace(self, path: str | os.PathLike, metadata: dict[str, Any] | None = None) -> None:
        """Writes what chrome://tracing and Perfetto show; compressed if the name ends in .gz."""
        rows = [
            {
                "name": e.name,
                "ph": "X",
                "ts": e.start_us,
                "dur": e.cpu_time_total,
                "pid": os.getpid(),
                "tid": 0,
                "args": {"bytes": e.cpu_memory_usage},
            }
            for e in self
        ]
        import gzip

        with (gzip.open if str(path).endswith(".gz") else open)(path, "wt") as f:
            json.dump({"traceEvents": rows, **(metadata or {})}, f)

    def __str__(self) -> str:
        return self.table()


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, **_: Any
) -> Callable[[int], ProfilerAction]:
    """For each step number, whether it is recorded: ``wait`` steps not, ``warmup`` thrown away, ``active`` kept, and again."""

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        length = wait + warmup + active
        if step < 0 or (repeat and step >= repeat * length):
            return ProfilerAction.NONE
        at = step % length
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if at == length - 1 else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[Any], None]:
    """For ``on_trace_ready``: writes a trace file per recorded cycle."""

    def handler(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = f"{worker_name or os.getpid()}.{prof.step_num}.pt.trace.json" + (".gz" if use_gzip else "")
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handler


class profile:  # noqa: N801
    """Context manager that records every operator call of this thread.

    Args:
        record_shapes: keep the shapes of the arguments too.
        schedule: which steps to record; ``step()`` then marks their ends.
        on_trace_ready: called with the profiler when a recording is complete.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[Any], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        **_: Any,
    ) -> None:
        self.record_shapes = record_shapes
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self._running: Any = None
        self._complete = False
        self._events = EventList()
        self._metadata: dict[str, Any] = {}

    def _recorded(self) -> bool:
        return self.schedule is None or self.schedule(self.step_num) in (
            ProfilerAction.RECORD,
            ProfilerAction.RECORD_AND_SAVE,
        )

    def _halt(self) -> None:
        if self._running is not None:
            self._events.extend(_events_of(_C._profiler_stop(self._running)))
            self._running = None

    def start(self) -> None:
        self._events = EventList()
        if self._recorded():
            self._running = _C._profiler_start(self.record_shapes)

    def stop(self) -> None:
        pending = self._running is not None
        self._halt()
        if pending and self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """The end of a step of the schedule."""
        done = self.schedule is not None and self.schedule(self.step_num) is ProfilerAction.RECORD_AND_SAVE
        self._halt()
        if done and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        self._complete |= done
        self.step_num += 1
        if self._recorded():
            if self._complete:  # a new cycle
                self._events, self._complete = EventList(), False
            self._running = _C._profiler_start(self.record_shapes)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.stop()

    def events(self) -> EventList:
        return self._events

    @property
    def function_events(self) -> EventList:
        return self._events

    def key_averages(self, group_by_input_shape: bool = False, group_by_stack_n: int = 0) -> EventList:
        return self._events.key_averages(group_by_input_shape)

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        self._events.export_chrome_trace(path, self._metadata)

    def export_stacks(self, path: str | os.PathLike, metric: str = "self_cpu_time_total") -> None:
        """Writes a line an operator, its name and its time in microseconds, as flame graph programs read them."""
        with open(path, "w") as f:
            for row in self.key_averages():
                f.write(f"{row.key} {int(getattr(row, metric.replace('cuda', 'cpu')))}\n")

    def add_metadata(self, key: str, value: str) -> None:
        """Writes a text into the trace."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Writes a value, given as JSON, into the trace."""
        self._metadata[key] = json.loads(value)

    def preset_metadata_json(self, key: str, value: str) -> None:
        """add_metadata_json, before the start."""
        self.add_metadata_json(key, value)

    def toggle_collection_dynamic(self, enable: bool, activities: Any = None) -> None:
        """Stops recording, or goes on with it."""
        if enable and self._running is None:
            self._running = _C._profiler_start(self.record_shapes)
        elif not enable:
            self._halt()


class itt:  # noqa: N801
    """Intel's tracing of ranges, which is not built in: asking for it raises RuntimeError."""

    @staticmethod
    def is_available() -> bool:
        """False."""
        return False

    @staticmethod
    def _absent(*args: Any) -> Any:
        raise RuntimeError("ITT functions not installed; use torch.profiler.record_function to name a stretch of code")

    range_push = range_pop = mark = range = _absent


class record_function:  # noqa: N801
    """Names a stretch of code in the profile. Context manager and decorator."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name

    def __enter__(self) -> record_function:
        _C._profiler_begin_range(self.name)
        return self

    def __exit__(self, *exc: Any) -> None:
        _C._profiler_end_range()

    def __call__(self, function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return wrapper
