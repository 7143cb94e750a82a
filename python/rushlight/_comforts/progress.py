"""progress: a bar over anything that is iterated."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TextIO


class Progress:
    """What `progress` returns. ``show`` adds numbers to the line; ``done`` counts the items that were handed out and used."""

    def __init__(self, items: Iterable, title: str, total: int | None, file: TextIO | None, width: int) -> None:
        if total is None:
            try:
                total = len(items)  # type: ignore[arg-type]
            except TypeError:  # a generator, an IterableDataset
                total = None
        self.items, self.title, self.total, self.width = items, title, total, width
        self.file = sys.stderr if file is None else file
        self.done = 0
        self._shown: dict[str, Any] = {}
        self._drawn = 0.0
        self._length = 0
        self._live = bool(getattr(self.file, "isatty", lambda: False)())

    def __len__(self) -> int:
        if self.total is None:
            raise TypeError("progress: what is iterated has no length")
        return self.total

    def show(self, **numbers: Any) -> None:
        """Numbers for the end of the line. Tensors of one element are read only when the line is drawn."""
        self._shown.update(numbers)

    def __iter__(self) -> Iterator:
        self._start = time.perf_counter()
        self.done = 0
        self._draw()
        finished = False
        try:
            for item in self.items:
                yield item
                self.done += 1
                # Ten times a second; where nobody watches, each half minute.
                if time.perf_counter() - self._drawn > (0.1 if self._live else 30):
                    self._draw()
            finished = True
        finally:  # also after break and errors, so that what is printed next starts a line
            if finished and (self.total is None or self.total < self.done):
                self.total = self.done
            self._draw(last=True)

    def line(self) -> str:
        """The text of the line as it is now."""
        elapsed = time.perf_counter() - self._start
        parts = [self.title] if self.title else []
        if self.total:
            filled = min(self.width, self.width * self.done // self.total)
            parts.append(f"[{'#' * filled}{'.' * (self.width - filled)}] {self.done}/{self.total}")
        else:
            parts.append(f"{self.done}")
        if self.done:
            each = elapsed / self.done
            parts.append(f"{1 / each:.1f}/s" if each < 1 else f"{each:.1f} s each")
            ended = self.total is not None and self.done >= self.total
            parts.append(
                _time(elapsed) if ended or not self.total else f"{_time(each * (self.total - self.done))} left"
            )
        for name, number in self._shown.items():
            number = number.item() if hasattr(number, "item") else number
            parts.append(f"{name} {number:.4g}" if isinstance(number, float) else f"{name} {number}")
        return "  ".join(parts)

    def _draw(self, last: bool = False) -> None:
        self._drawn = time.perf_counter()
        if not self._live and not last and not self.done:
            return
        text = self.line()
        padded = text.ljust(self._length)  # over what was longer before
        self._length = len(text)
        self.file.write("\r" + padded + ("\n" if last else "") if self._live else text + "\n")
        self.file.flush()


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def progress(
    items: Iterable, title: str = "", *, total: int | None = None, file: TextIO | None = None, width: int = 24
) -> Progress:
    """Iterates over a loader, or anything else, and draws how far it is: a bar, items a second, time left.

    On a terminal one line is drawn over and over; elsewhere a line is written each half minute and at the end.

    Args:
        items: what is iterated.
        title: stands at the start of the line.
        total: how many items there are. Default: ``len(items)`` where it has one; else they are only counted.
        file: where the line goes. Default: standard error.
        width: of the bar.

    >>> import sys
    >>> for batch in (bar := progress([1, 2, 3], "epoch 1", file=sys.stdout)):
    ...     bar.show(loss=1.0 / batch)
    epoch 1  [########################] 3/3  ...  loss 0.3333
    """
    return Progress(items, title, total, file, width)
