"""Timer and what it measures."""

from __future__ import annotations

import contextlib
import enum
import statistics
import time
import timeit
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import rushlight

__all__ = ["Language", "Measurement", "TaskSpec", "Timer", "timer"]

timer = time.perf_counter


class Language(enum.Enum):
    """What a statement is written in; only Python runs here."""

    PYTHON = 0
    CPP = 1


@dataclass(frozen=True)
class TaskSpec:
    """What was measured."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """Label and sub-label, or the statement."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        return self.stmt if "\n" not in self.stmt else f"stmt:\n{self.stmt}"


def unit_of(seconds: float) -> tuple[str, float]:
    """The unit to show a time in, and its length."""
    for unit, length in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        if seconds < length * 1000:
            return unit, length
    return "s", 1.0


def rounded(value: float, digits: int) -> float:
    """The value to that many significant digits."""
    return float(f"{value:.{max(digits, 1)}g}")


@dataclass
class Measurement:
    """The times that a Timer took. All times are in seconds."""

    number_per_run: int
    raw_times: list[float]  # of `number_per_run` calls each
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = field(default=None)

    @property
    def times(self) -> list[float]:
        """The time of one call, for each run."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self) -> float:
        """The median time of a call."""
        return statistics.median(self.times)

    @property
    def mean(self) -> float:
        """The mean time of a call."""
        return statistics.fmean(self.times)

    @property
    def iqr(self) -> float:
        """The distance between the quartiles of the times."""
        low, high = self._quartiles()
        return high - low

    def _quartiles(self) -> tuple[float, float]:
        times = sorted(self.times)

        def at(share: float) -> float:
            place = share * (len(times) - 1)
            below = int(place)
            above = min(below + 1, len(times) - 1)
            return times[below] + (times[above] - times[below]) * (place - below)

        return at(0.25), at(0.75)

    @property
    def significant_figures(self) -> int:
        """How many digits of the median the spread of the times leaves meaning."""
        import math

        spread = self.iqr / max(len(self.times), 1) ** 0.5
        if spread <= 0 or self.median <= 0:
            return 4
        return max(1, min(6, int(math.floor(math.log10(self.median / spread))) + 1))

    def meets_confidence(self, threshold: float = 0.1) -> bool:
        """Whether the quartiles are closer than that share of the median."""
        return self.iqr / self.median < threshold if self.median else True

    @property
    def has_warnings(self) -> bool:
        """Whether the times spread so much that something disturbed them."""
        return not self.meets_confidence()

    @property
    def title(self) -> str:
        """Label and sub-label, or the statement."""
        return self.task_spec.title

    @property
    def env(self) -> str:
        """What the environment was called."""
        return "Unspecified env" if self.task_spec.env is None else str(self.task_spec.env)

    @property
    def as_row_name(self) -> str:
        """Sub-label, or the statement."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """Those of one task made one."""
        groups: dict[TaskSpec, list[Measurement]] = {}
        for m in measurements:
            groups.setdefault(m.task_spec, []).append(m)
        return [Measurement(1, [t for m in group for t in m.times], spec) for spec, group in groups.items()]

    def __repr__(self) -> str:
        unit, length = unit_of(self.median)

        def show(seconds: float) -> str:
            return f"{seconds / length:.2f} {unit}"

        n = len(self.raw_times)
        lines = [
            f"<{type(self).__module__.replace('rushlight', 'torch')}.Measurement object at {id(self):#x}>",
            self.title,
        ]
        if self.task_spec.description:
            lines.append(self.task_spec.description)
        if n > 1:
            low, high = self._quartiles()
            lines += [
                f"  Median: {show(self.median)}",
                f"  IQR:    {show(self.iqr)} ({low / length:.2f} to {high / length:.2f})",
            ]
        else:
            lines.append(f"  {show(self.median)}")
        threads = self.task_spec.num_threads
        lines.append(
            f"  {n} measurement{'s' * (n > 1)}, {self.number_per_run} runs {'per measurement' * (n > 1)}, "
            f"{threads} thread{'s' * (threads > 1)}"
        )
        if n > 1 and self.has_warnings:
            lines.append(
                f"  WARNING: the quartiles are {100 * self.iqr / self.median:.1f}% of the median apart: something disturbed the times."
            )
        return "\n".join(lines)


class Timer:
    """Measures a statement, on `num_threads` threads; the first call of each is thrown away.

    >>> m = torch.utils.benchmark.Timer("x + 1", globals={"x": torch.ones(2)}, label="add").timeit(10)
    >>> m.number_per_run, m.title, m.median > 0
    (10, 'add', True)
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:
        import textwrap

        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if str(language).rpartition(".")[2].lower() in ("cpp", "c++"):
            raise rushlight.UnsupportedError(
                "rushlight does not support a Timer of C++ statements; write the statement in Python"
            )
        stmt, setup = textwrap.dedent(stmt).strip(), textwrap.dedent(setup).strip()
        names = dict(globals or {})
        names.setdefault("torch", rushlight)
        self._timer = timeit.Timer(stmt=stmt, setup=setup, timer=timer, globals=names)
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)

    @contextlib.contextmanager
    def _threads(self):
        before = rushlight.get_num_threads()
        rushlight.set_num_threads(self._task_spec.num_threads)
        try:
            yield
        finally:
            rushlight.set_num_threads(before)

    def _run(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1000000) -> Measurement:
        """The time of `number` calls together."""
        with self._threads():
            self._run(max(number // 100, 2))
            return Measurement(number, [self._run(number)], self._task_spec)

    def _number(self, seconds: float) -> int:
        """As many calls as keep the timer's own time small beside theirs."""
        overhead = statistics.median(self._null_time() for _ in range(5))
        number = 1
        while True:
            taken = self._run(number)
            if overhead / taken <= 1e-4 and taken >= seconds / 1000 or taken > seconds:
                return number
            number *= 10

    @staticmethod
    def _null_time() -> float:
        start = timer()
        return timer() - start

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Runs of as many calls as it takes to measure well, until `min_run_time` seconds are over."""
        with self._threads():
            number, times = self._number(min_run_time), []
            while not times or sum(times) < min_run_time:
                times.append(self._run(number))
                if callback is not None:
                    callback(number, times[-1])
            return Measurement(number, times, self._task_spec)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0, callback: Any = None
    ) -> Measurement:
        """Runs until the quartiles are closer than `threshold` of the median, or `max_run_time` seconds are over."""
        with self._threads():
            number, times = self._number(0.05), []
            while True:
                times.append(self._run(number))
                if callback is not None:
                    callback(number, times[-1])
                made = Measurement(number, times, self._task_spec)
                if (
                    sum(times) > max_run_time
                    or len(times) > 3
                    and sum(times) > min_run_time
                    and made.meets_confidence(threshold)
                ):
                    return made
