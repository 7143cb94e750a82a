"""Future: a value that is there later, and what to do when it is.

>>> f = torch.futures.Future()
>>> g = f.then(lambda done: done.value() + 1)
>>> f.set_result(1)
>>> g.wait()
2
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from . import _C

__all__ = ["Future", "collect_all", "wait_all"]

T = TypeVar("T")
_UNSET = object()


class Future(Generic[T]):
    """A value that some thread sets once and others wait for. `devices` is accepted and not needed on the CPU."""

    def __init__(self, *, devices: Any = None) -> None:
        self._changed = threading.Condition()
        self._value: Any = _UNSET
        self._error: BaseException | None = None
        self._callbacks: list[Callable] = []
        self._traced = 0  # the fork's number in a trace

    def done(self) -> bool:
        """Whether it has a value or an exception."""
        return self._value is not _UNSET or self._error is not None

    def wait(self) -> T:
        """The value, once it is there; raises the exception that was set instead of one."""
        with self._changed:
            self._changed.wait_for(self.done)
        return self._get()

    def _get(self) -> T:
        if self._error is not None:
            raise self._error
        if self._traced and _C._is_tracing():
            _C._traced_wait(self._traced, self._value)
        return self._value

    def value(self) -> T:
        """The value, which has to be there; for callbacks."""
        if not self.done():
            raise RuntimeError("Future.value(): the future has no value yet; use wait()")
        return self._get()

    def _settle(self, value: Any, error: BaseException | None) -> None:
        with self._changed:
            if self.done():
                raise RuntimeError(
                    "Future can only be marked completed once: set_result or set_exception was called before"
                )
            self._value, self._error = value, error
            callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            self._call(callback)

    def _call(self, callback: Callable) -> None:
        """What a callback raises is told and goes no further: others wait for this value too."""
        try:
            callback(self)
        except Exception as error:
            import traceback

            print("Got the following error when running the callback: ", file=sys.stderr)
            traceback.print_exception(error)

    def __reduce__(self) -> Any:
        raise RuntimeError(
            "Can not pickle torch.futures.Future: its value comes from this process; pickle what wait() gives"
        )

    def set_result(self, result: T) -> None:
        """Gives it its value, and runs what was waiting for it. RuntimeError if it has one."""
        self._settle(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Has wait() raise that exception."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._settle(_UNSET, result)

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Calls callback(self) when the value is there, at once if it is."""
        with self._changed:
            if not self.done():
                self._callbacks.append(callback)
                return
        self._call(callback)

    def then(self, callback: Callable[[Future[T]], Any]) -> Future:
        """The future of what callback(self) gives, once the value is there; a RuntimeError of what it raises."""
        after: Future = Future()

        def run(done: Future) -> None:
            try:
                value = callback(done)
            except Exception as error:
                failed = RuntimeError(
                    f"Got the following error when running the callback: {type(error).__name__}: {error}"
                )
                failed.__cause__ = error
                after.set_exception(failed)
            else:
                after.set_result(value)

        self.add_done_callback(run)
        return after


def collect_all(futures: list[Future]) -> Future[list[Future]]:
    """A future that completes, with the list of them, when all have."""
    futures, all_done = list(futures), Future()  # type: ignore[var-annotated]
    if any(future is None for future in futures):
        raise RuntimeError("collect_all: Future can't be None")
    left, lock = len(futures), threading.Lock()

    def one_done(_: Future) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if last:
            all_done.set_result(futures)

    if not futures:
        all_done.set_result(futures)
    for future in futures:
        future.add_done_callback(one_done)
    return all_done


def wait_all(futures: list[Future]) -> list:
    """The values of all, once they are there; raises the first exception among them."""
    return [future.wait() for future in collect_all(futures).wait()]
