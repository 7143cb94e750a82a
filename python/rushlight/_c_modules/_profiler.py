"""torch._C._profiler: where code stands, as the tools that log operators ask for it."""

from __future__ import annotations

import sys
from typing import Any


def gather_traceback(python: bool = True, script: bool = True, cpp: bool = True) -> list[tuple]:
    """Where the caller stands, innermost first; symbolize_tracebacks makes names of it."""
    frames = []
    frame = sys._getframe(1) if python else None
    while frame is not None:
        frames.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return frames


def symbolize_tracebacks(tracebacks: list[Any]) -> list[list[dict[str, Any]]]:
    """For each frame of each traceback its function's name, its file and its line.

    >>> symbolize_tracebacks([gather_traceback()])[0][0]["name"]
    '<module>'
    """
    return [
        [{"name": code.co_name, "filename": code.co_filename, "line": line} for code, line in traceback]
        for traceback in tracebacks
    ]
