"""Python's multiprocessing, whose queues, pipes and arguments pass tensors without copying them.

A tensor that is sent moves into memory that both processes map; what one writes the other sees. The memory is anonymous, so a small
/dev/shm is no limit. Everything of Python's own module is here too.
"""

from __future__ import annotations

import multiprocessing as _python
from multiprocessing import *  # noqa: F403

from .reductions import init_reductions
from .spawn import (
    ENV_VAR_PARALLEL_START,
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *_python.__all__, "ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException", "SpawnContext",
    "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy", "spawn", "start_processes",
]  # fmt: skip

_strategies = {"file_descriptor", "file_system"}
_strategy = "file_descriptor"

init_reductions()


def get_all_sharing_strategies() -> set[str]:
    """The names that set_sharing_strategy takes."""
    return set(_strategies)


def get_sharing_strategy() -> str:
    """The name that was set."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Remembers a name that programs set. Memory is passed as file descriptors either way; raise `ulimit -n` for thousands of tensors."""
    global _strategy
    if new_strategy not in _strategies:
        raise ValueError(f"set_sharing_strategy: expected one of {sorted(_strategies)}, got {new_strategy!r}")
    _strategy = new_strategy
