"""How many calls of a model a second, with several threads calling it: torch.utils.ThroughputBenchmark."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from typing import Any

__all__ = ["ExecutionStats", "ThroughputBenchmark", "format_time"]


def format_time(time_us: float | None = None, time_ms: float | None = None, time_s: float | None = None) -> str:
    """A time in the unit that suits it.

    >>> format_time(time_ms=12.5), format_time(time_s=2)
    ('12.500ms', '2.000s')
    """
    given = [t * unit for t, unit in ((time_us, 1), (time_ms, 1e3), (time_s, 1e6)) if t is not None]
    if len(given) != 1:
        raise AssertionError("format_time: expected one of time_us, time_ms and time_s")
    microseconds = given[0]
    for unit, name in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= unit:
            return f"{microseconds / unit:.3f}{name}"
    return f"{microseconds:.3f}us"


class BenchmarkConfig:
    """How a benchmark runs."""

    def __init__(self) -> None:
        self.num_calling_threads = 1
        self.num_worker_threads = 1
        self.num_warmup_iters = 1
        self.num_iters = 100
        self.profiler_output_path = ""


class BenchmarkExecutionStats:
    """What a benchmark found: ``latency_avg_ms``, ``num_iters``."""

    def __init__(self, latency_avg_ms: float = -1.0, num_iters: int = -1) -> None:
        self.latency_avg_ms = latency_avg_ms
        self.num_iters = num_iters


class ExecutionStats:
    """The same, with what follows from it; printed as a text of four lines."""

    def __init__(self, stats: BenchmarkExecutionStats, benchmark_config: BenchmarkConfig) -> None:
        self.latency_avg_ms = stats.latency_avg_ms
        self.num_iters = stats.num_iters
        self.benchmark_config = benchmark_config

    @property
    def iters_per_second(self) -> float:
        """Calls a second, of all threads together."""
        return self.num_iters / self.total_time_seconds

    @property
    def total_time_seconds(self) -> float:
        """How long all calls took."""
        return self.num_iters * self.latency_avg_ms / 1000 / self.benchmark_config.num_calling_threads

    def __str__(self) -> str:
        return (
            f"Average latency per example: {format_time(time_ms=self.latency_avg_ms)}\n"
            f"Total number of iterations: {self.num_iters}\n"
            f"Total number of iterations per second (across all threads): {self.iters_per_second:.2f}\n"
            f"Total time: {format_time(time_s=self.total_time_seconds)}"
        )


class ThroughputBenchmark:
    """Calls a module from several threads, as a server would.

    Operators release Python's lock while they compute; a module of Python holds it in between.

    >>> bench = ThroughputBenchmark(torch.nn.Linear(3, 2))
    >>> bench.add_input(torch.ones(1, 3))
    >>> bench.benchmark(num_calling_threads=2, num_warmup_iters=1, num_iters=10).num_iters
    10
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self._inputs: list[tuple[tuple, dict]] = []

    def run_once(self, *args: Any, **kwargs: Any) -> Any:
        """The module's answer."""
        return self._module(*args, **kwargs)

    def add_input(self, *args: Any, **kwargs: Any) -> None:
        """Keeps the arguments of a call; each call of the benchmark takes some at random."""
        self._inputs.append((args, kwargs))

    def benchmark(
        self,
        num_calling_threads: int = 1,
        num_warmup_iters: int = 10,
        num_iters: int = 100,
        profiler_output_path: str = "",
    ) -> ExecutionStats:
        """Calls the module num_iters times, after num_warmup_iters calls by each thread.

        With profiler_output_path, a Chrome trace of the calls is written there. RuntimeError if no input was added; what the module
        raises is raised here.
        """
        if not self._inputs:
            raise RuntimeError("ThroughputBenchmark: no inputs to call the module with; give some with add_input(...)")
        if num_calling_threads < 1 or num_iters < 1:
            raise RuntimeError(
                f"ThroughputBenchmark: expected at least 1 thread and 1 iteration, got {num_calling_threads} and {num_iters}"
            )
        config = BenchmarkConfig()
        config.num_calling_threads, config.num_warmup_iters = num_calling_threads, num_warmup_iters
        config.num_iters, config.profiler_output_path = num_iters, profiler_output_path
        turns, start = itertools.count(), threading.Barrier(num_calling_threads + 1)
        errors: list[BaseException] = []

        def call() -> None:
            args, kwargs = random.choice(self._inputs)
            self._module(*args, **kwargs)

        def thread() -> None:
            try:
                for _ in range(num_warmup_iters):
                    call()
                start.wait()
                while next(turns) < num_iters:
                    call()
            except threading.BrokenBarrierError:
                pass
            except BaseException as error:
                errors.append(error)
                start.abort()

        threads = [threading.Thread(target=thread) for _ in range(num_calling_threads)]
        with contextlib.ExitStack() as stack:
            for t in threads:
                t.start()
            with contextlib.suppress(threading.BrokenBarrierError):
                start.wait()
            if profiler_output_path:
                from ..profiler import profile

                profiler = stack.enter_context(profile())
            before = time.perf_counter()
            for t in threads:
                t.join()
            seconds = time.perf_counter() - before
        if errors:
            raise errors[0]
        if profiler_output_path:
            profiler.export_chrome_trace(profiler_output_path)
        latency = seconds * 1000 * num_calling_threads / num_iters
        return ExecutionStats(BenchmarkExecutionStats(latency, num_iters), config)
