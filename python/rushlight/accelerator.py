"""The machine's accelerator: the device, besides the CPU, whose library is loaded.

>>> torch.accelerator.is_available()
False
"""

from __future__ import annotations

from typing import Any

from . import _C
from ._devices import Stream, _device_or_current

__all__ = [
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]


def is_available() -> bool:
    return _C._accelerator() is not None


def device_count() -> int:
    return _C._device_count(_C._accelerator()) if is_available() else 0


def current_accelerator(check_available: bool = False) -> Any:
    """Its device, without an index; None if there is none."""
    return _C._accelerator()


def _device(device: Any = None) -> Any:
    here = _C._accelerator()
    if here is None:
        raise RuntimeError("Cannot access accelerator device when none is available.")
    if device is None:
        return _device_or_current(here)
    device = _C.device(device)
    if device.type != here.type:
        raise ValueError(f"{device.type} doesn't match the current accelerator {here}.")
    return _device_or_current(device)


def current_device_index() -> int:
    return _device().index


def set_device_index(device: Any, /) -> None:
    _C._set_device(_device(device))


current_device_idx, set_device_idx = current_device_index, set_device_index


class device_index:
    """A context in which another of the accelerator's devices is the current one; None changes nothing."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            self.before = current_device_index()
            set_device_index(self.idx)

    def __exit__(self, *exception: Any) -> None:
        if self.idx is not None:
            set_device_index(self.before)


def current_stream(device: Any = None, /) -> Stream:
    return Stream._of(_C._current_stream(_device(device)))


def set_stream(stream: Stream) -> None:
    _C._set_stream(stream._pair)


def synchronize(device: Any = None, /) -> None:
    """Waits until the accelerator has done its work."""
    _C._device_synchronize(_device(device))


def memory_stats(device: Any = None, /) -> dict[str, int]:
    """Counters as `torch.cpu.memory_stats()` has them; empty where there is no accelerator."""
    return _C._memory_stats(_device(device)) if is_available() else {}


def memory_allocated(device: Any = None, /) -> int:
    return memory_stats(device).get("allocated_bytes.all.current", 0)


def max_memory_allocated(device: Any = None, /) -> int:
    return memory_stats(device).get("allocated_bytes.all.peak", 0)


def memory_reserved(device: Any = None, /) -> int:
    return memory_stats(device).get("reserved_bytes.all.current", 0)


def max_memory_reserved(device: Any = None, /) -> int:
    return memory_stats(device).get("reserved_bytes.all.peak", 0)


def reset_peak_memory_stats(device: Any = None, /) -> None:
    if is_available():
        _C._reset_peak_memory_stats(_device(device))


def reset_accumulated_memory_stats(device: Any = None, /) -> None:
    if is_available():
        _C._reset_accumulated_memory_stats(_device(device))


def empty_cache() -> None:
    """Gives back what the accelerator keeps for reuse."""
    for i in range(device_count()):
        _C._empty_cache(_C.device(_C._accelerator().type, i))
