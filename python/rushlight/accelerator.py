"""The machine's accelerator, where there is one that rushlight was built for.

>>> torch.accelerator.is_available()
False
"""

from __future__ import annotations

from typing import Any

from . import _C, cuda

__all__ = ["current_accelerator", "current_device_index", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    return cuda.is_available()


def device_count() -> int:
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> Any:
    """Its device, without an index; None if there is none."""
    return _C.device("cuda") if is_available() else None


def current_device_index() -> int:
    return cuda.current_device()


def synchronize(device: Any = None) -> None:
    """Waits until the accelerator has done its work."""
    cuda.synchronize(device)
