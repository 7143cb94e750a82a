"""The CPU as a device: what programs written for any accelerator ask of it, and the counters of its memory.

>>> torch.cpu.memory_allocated() > 0
True
"""

from __future__ import annotations

import contextlib
from typing import Any

from .. import _C
from . import amp

__all__ = [
    "Event",
    "Stream",
    "current_device",
    "current_stream",
    "device_count",
    "empty_cache",
    "get_capabilities",
    "is_available",
    "is_initialized",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_device",
    "stream",
    "synchronize",
]


def get_capabilities() -> dict[str, Any]:
    """What the processor can do: its architecture, its name, and each of its instruction sets by name, True or False.

    >>> "architecture" in get_capabilities()
    True
    """
    import os
    import platform

    facts = {}
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as file:
        for line in file:
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    return {
        "architecture": platform.machine(),
        "cpu_name": facts.get("model name", ""),
        "num_logical_cores": os.cpu_count(),
        **{name: flag in flags for name, flag in _INSTRUCTIONS.items()},
    }


# PyTorch's names for what the system's file calls by the value.
_INSTRUCTIONS = {
    name: name.replace("avx512_", "avx512") if name.removeprefix("avx512_") in ("f", "bw", "cd", "dq", "vl") else name
    for name in (
        "aes", "amx_bf16", "amx_int8", "amx_tile", "avx", "avx2", "avx512_bf16", "avx512_bw", "avx512_cd", "avx512_dq", "avx512_f",
        "avx512_vl", "avx512_vnni", "avx_vnni", "bmi1", "bmi2", "f16c", "fma", "popcnt", "sse", "sse2", "sse4_1", "sse4_2", "ssse3",
        "asimd", "bf16", "dotprod", "sve", "sve2",
    )
}  # fmt: skip
_INSTRUCTIONS["bmi"] = _INSTRUCTIONS.pop("bmi1")
_INSTRUCTIONS["fma3"] = _INSTRUCTIONS.pop("fma")


class Stream:
    """There is one: operators are done when they return."""

    def __init__(self, priority: int = -1) -> None:
        pass

    def wait_stream(self, stream: Any) -> None:
        pass

    def record_event(self) -> None:
        pass

    def wait_event(self, event: Any) -> None:
        pass


class Event:
    """Has always happened."""

    def query(self) -> bool:
        return True

    def record(self, stream: Any = None) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def wait(self, stream: Any = None) -> None:
        pass


_stream = Stream()


def is_available() -> bool:
    return True


def is_initialized() -> bool:
    return True


def device_count() -> int:
    return 1


def current_device() -> str:
    return "cpu"


def set_device(device: Any) -> None:
    """There is nothing to choose from."""


def synchronize(device: Any = None) -> None:
    """There is nothing to wait for."""


def current_stream(device: Any = None) -> Stream:
    return _stream


def stream(stream: Stream) -> contextlib.AbstractContextManager:
    """A context in which `stream` would be current."""
    return contextlib.nullcontext()


def memory_stats(device: Any = None) -> dict[str, int]:
    """Counters of the tensors' memory under the names of `torch.cuda.memory_stats()`: "allocated_bytes.all.current", ".peak",
    ".allocated" and ".freed" (also of "allocation", the number of blocks, and "reserved_bytes", what was taken from the system),
    "cached_bytes" (kept for reuse, of blocks above 64 KiB), "num_ooms" and "num_trims". Peaks are those of blocks above 64 KiB,
    the smaller ones counted as they are now. What oneDNN keeps for shapes it has seen is not in them."""
    return _C._memory_stats("cpu")


def memory_allocated(device: Any = None) -> int:
    """Bytes that tensors take."""
    return memory_stats()["allocated_bytes.all.current"]


def max_memory_allocated(device: Any = None) -> int:
    """The most that `memory_allocated()` was since the start or the last `reset_peak_memory_stats()`."""
    return memory_stats()["allocated_bytes.all.peak"]


def memory_reserved(device: Any = None) -> int:
    """Bytes taken from the system: those that tensors take, and large blocks that are kept for reuse."""
    return memory_stats()["reserved_bytes.all.current"]


def max_memory_reserved(device: Any = None) -> int:
    """The most that `memory_reserved()` was since the start or the last `reset_peak_memory_stats()`."""
    return memory_stats()["reserved_bytes.all.peak"]


def reset_peak_memory_stats(device: Any = None) -> None:
    """Peaks start again from what is in use now."""
    _C._reset_peak_memory_stats("cpu")


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """ "allocated" and "freed" start again from 0."""
    _C._reset_accumulated_memory_stats("cpu")


def empty_cache() -> None:
    """Gives the system what is kept for reuse: freed blocks, and what oneDNN has made for shapes it has seen. Most of it goes
    back by itself when the tensors that a loop worked on are gone, and at `gc.collect()`."""
    _C._empty_cache("cpu")
