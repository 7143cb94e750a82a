"""caffe2.python.timeout_guard: ends the process where a block takes too long.

>>> from rushlight.caffe2.python import timeout_guard
>>> with timeout_guard.CompleteInTimeOrDie(60.0):
...     pass
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

logger = logging.getLogger("timeout_guard")


class WatcherThread(threading.Thread):
    """Interrupts the process after so many seconds, unless `completed` was set by then; ten seconds later it aborts."""

    def __init__(self, timeout_secs: float) -> None:
        super().__init__(daemon=True)
        self.timeout_secs = timeout_secs
        self.completed = False
        self.condition = threading.Condition()
        self.caller_thread = threading.current_thread()

    def finish(self) -> None:
        with self.condition:
            self.completed = True
            self.condition.notify()

    def run(self) -> None:
        with self.condition:
            if self.condition.wait_for(lambda: self.completed, self.timeout_secs):
                return
        logger.error("Call did not finish in time. Timeout:%ss PID: %s", self.timeout_secs, os.getpid())
        print(f"Caller thread was: {self.caller_thread}", file=sys.stderr)
        faulthandler.dump_traceback(all_threads=True)
        os.kill(os.getpid(), signal.SIGINT)
        with self.condition:
            if self.condition.wait_for(lambda: self.completed, 10.0):
                return
        logger.error("Process did not terminate cleanly in 10 s, forcing")
        os.abort()


@contextlib.contextmanager
def CompleteInTimeOrDie(timeout_secs: float) -> Iterator[None]:
    """The block has so many seconds."""
    watcher = WatcherThread(timeout_secs)
    watcher.start()
    try:
        yield
    finally:
        watcher.finish()


def EuthanizeIfNecessary(timeout_secs: float = 120) -> None:
    """The rest of the process has so many seconds; for what may hang at its end."""
    WatcherThread(timeout_secs).start()
