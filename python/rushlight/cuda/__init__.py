"""CUDA as programs ask for it: what any device's module has, once a library that adds CUDA is loaded. Without one it says so."""

from __future__ import annotations

import contextlib
from typing import Any

from .. import _C

_NONE = "this build of rushlight computes on the CPU only: no CUDA device can be used"


def is_available() -> bool:
    return device_count() > 0


def device_count() -> int:
    return _C._device_count("cuda")


def is_initialized() -> bool:
    return is_available()


def is_bf16_supported() -> bool:
    return is_available()


def _module() -> Any:
    from .._devices import DeviceModule

    if not is_available():
        raise RuntimeError(_NONE)
    return DeviceModule("cuda")


def manual_seed(seed: int) -> None:
    """Seeds the current device's generator; where there is none there is nothing to do."""
    if is_available():
        _module().manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """Seeds the generators of all devices; where there is none there is nothing to do."""
    if is_available():
        _module().manual_seed_all(seed)


def empty_cache() -> None:
    """Gives back what is kept for reuse; where there is no device there is nothing to empty."""
    if is_available():
        _module().empty_cache()


def current_device() -> int:
    return _module().current_device()


def synchronize(device=None) -> None:
    _module().synchronize(device)


def get_device_name(device=None) -> str:
    return _module().get_device_name(device)


def get_device_properties(device=None):
    return _module().get_device_properties(device)


def set_device(device) -> None:
    _module().set_device(device)


@contextlib.contextmanager
def device(device):
    if device is None or device == -1:
        yield
        return
    with _module().device(device):
        yield
