"""Compare: measurements as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ._timer import Measurement, rounded, unit_of

__all__ = ["Compare"]

_BEST, _WORST, _END = "\033[92m\033[1m", "\033[31m", "\033[0m"


class Compare:
    """A table of medians for each label: a row a sub-label and number of threads, a column a description."""

    def __init__(self, results: list[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trim = self._highlight = self._colour = False

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Adds measurements."""
        results = list(results)
        for r in results:
            if not isinstance(r, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(r)} instead.")
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Shows only the digits that the measurements make sure."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """Shows the best of each row green and those that take more than twice as long red."""
        self._colour = True

    def highlight_warnings(self) -> None:
        """Marks what was disturbed while it was measured."""
        self._highlight = True

    def print(self) -> None:
        """Prints the tables."""
        print(self)

    def __str__(self) -> str:
        labels = dict.fromkeys(r.task_spec.label for r in self._results)
        merged = Measurement.merge(self._results)
        return "\n".join(self._table(label, [m for m in merged if m.task_spec.label == label]) for label in labels)

    def _table(self, label: Any, results: list[Measurement]) -> str:
        unit, length = unit_of(min(r.median for r in results))
        columns = list(dict.fromkeys(r.task_spec.description for r in results))
        rows: dict[tuple, dict[Any, Measurement]] = {}
        for r in results:
            rows.setdefault((r.task_spec.num_threads, r.env, r.as_row_name), {})[r.task_spec.description] = r
        several = len({env for _, env, _ in rows}) > 1

        def cell(row: dict[Any, Measurement], column: Any) -> str:
            if column not in row:
                return ""
            m = row[column]
            value = rounded(m.median / length, m.significant_figures) if self._trim else m.median / length
            text = f"{value:.{0 if self._trim and value >= 100 else 1}f}"
            if self._highlight and m.has_warnings:
                text += f" (! {100 * m.iqr / m.median:.0f}%)"
            return text

        names = {key: f"      {key[2]}" + (f" ({key[1]})" if several else "") for key in rows}
        widths = [max(len(str(c or "")), *(len(cell(row, c)) for row in rows.values())) + 2 for c in columns]
        first = max(len(n) for n in names.values()) + 2
        head = " " * first + "|" + "|".join(str(c or "").center(w) for c, w in zip(columns, widths, strict=True))
        title = f" {label} " if label else ""
        lines = [f"[{title.center(len(head) - 2, '-')}]", head]
        for threads in sorted({key[0] for key in rows}):
            lines.append(f"{threads} thread{'s' * (threads > 1)}: ".ljust(len(head), "-"))
            for key, row in rows.items():
                if key[0] == threads:
                    best = min(m.median for m in row.values())
                    cells = []
                    for column, width in zip(columns, widths, strict=True):
                        text = cell(row, column).center(width)
                        if self._colour and column in row:
                            slow = row[column].median > 2 * best
                            mark = _BEST if row[column].median == best else _WORST if slow else ""
                            text = f"{mark}{text}{_END}" if mark else text
                        cells.append(text)
                    lines.append(names[key].ljust(first) + "|" + "|".join(cells))
        seconds = {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds"}[unit]
        return "\n".join([*lines, "", f"Times are in {seconds} ({unit}).", ""])
