"""What programs ask about a CUDA device's memory."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from . import (
    _module,
    empty_cache,
    is_available,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
)
from ._of_a_device import raising

__all__ = [
    "CUDAPluggableAllocator", "MemPool", "caching_allocator_alloc", "caching_allocator_delete", "caching_allocator_disabled",
    "caching_allocator_enable", "change_current_allocator", "empty_cache", "get_allocator_backend",
    "get_per_process_memory_fraction", "host_memory_stats", "host_memory_stats_as_nested_dict", "list_gpu_processes",
    "max_memory_allocated", "max_memory_cached", "max_memory_reserved", "mem_get_info", "memory_allocated", "memory_cached",
    "memory_reserved", "memory_snapshot", "memory_stats", "memory_stats_as_nested_dict", "memory_summary",
    "reset_accumulated_host_memory_stats", "reset_accumulated_memory_stats", "reset_max_memory_allocated",
    "reset_max_memory_cached", "reset_peak_host_memory_stats", "reset_peak_memory_stats", "set_per_process_memory_fraction",
    "use_mem_pool",
]  # fmt: skip


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """memory_stats, "a.b.c" below "a" and "b"; empty where there is no device."""
    nested: dict[str, Any] = {}
    for name, value in memory_stats(device).items():
        *path, last = name.split(".")
        inside = nested
        for part in path:
            inside = inside.setdefault(part, {})
        inside[last] = value
    return nested


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """A table of memory_stats; raises AssertionError where there is no device."""
    _module()
    stats = memory_stats(device)
    width = max(map(len, stats), default=0)
    return "\n".join(f"{name:<{width}}  {value:>15,}" for name, value in sorted(stats.items()))


def host_memory_stats() -> dict[str, Any]:
    """Counters of pinned memory; there are none."""
    return OrderedDict()


def host_memory_stats_as_nested_dict() -> dict[str, Any]:
    """The same; empty."""
    return {}


def list_gpu_processes(device: Any = None) -> str:
    """The processes on a device: that needs NVIDIA's library for Python."""
    return "pynvml module not found, please install nvidia-ml-py"


def caching_allocator_enable(value: bool = True) -> None:
    """Whether freed memory is kept for reuse; nothing to set where there is no device."""
    if is_available():
        raising("caching_allocator_enable")()


@contextlib.contextmanager
def caching_allocator_disabled() -> Iterator[None]:
    """A context in which freed memory goes back at once; nothing to set where there is no device."""
    caching_allocator_enable(False)
    yield


CUDAPluggableAllocator = raising("CUDAPluggableAllocator")
MemPool = raising("MemPool")
caching_allocator_alloc = raising("caching_allocator_alloc")
caching_allocator_delete = raising("caching_allocator_delete")
change_current_allocator = raising("change_current_allocator")
get_allocator_backend = raising("get_allocator_backend")
get_per_process_memory_fraction = raising("get_per_process_memory_fraction")
memory_snapshot = raising("memory_snapshot")
reset_accumulated_host_memory_stats = raising("reset_accumulated_host_memory_stats")
reset_peak_host_memory_stats = raising("reset_peak_host_memory_stats")
set_per_process_memory_fraction = raising("set_per_process_memory_fraction")
use_mem_pool = raising("use_mem_pool")
