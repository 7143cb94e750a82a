"""Marks in the traces of NVIDIA's tools: there are none, which the functions say."""

from __future__ import annotations

import contextlib
from typing import Any, NoReturn

from .. import _missing

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]


def _no(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises UnsupportedError."""
    raise _missing.unsupported("NVTX marks", "torch.profiler.record_function names a stretch of code in a profile")


mark = range_push = range_pop = range_start = range_end = _no


@contextlib.contextmanager
def range(msg: str, *args: Any, **kwargs: Any):
    """Raises UnsupportedError."""
    _no()
    yield
