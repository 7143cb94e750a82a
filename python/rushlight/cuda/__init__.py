"""CUDA as programs ask for it. This build computes on the CPU only and says so."""

from __future__ import annotations

import contextlib

_NONE = "this build of rushlight computes on the CPU only: no CUDA device can be used"


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def is_initialized() -> bool:
    return False


def is_bf16_supported() -> bool:
    return False


def manual_seed(seed: int) -> None:
    """There is no CUDA generator to seed."""


def manual_seed_all(seed: int) -> None:
    """There is no CUDA generator to seed."""


def empty_cache() -> None:
    """There is nothing to empty."""


def current_device() -> int:
    raise RuntimeError(_NONE)


def synchronize(device=None) -> None:
    raise RuntimeError(_NONE)


def get_device_name(device=None) -> str:
    raise RuntimeError(_NONE)


def get_device_properties(device=None):
    raise RuntimeError(_NONE)


def set_device(device) -> None:
    raise RuntimeError(_NONE)


@contextlib.contextmanager
def device(device):
    if device is not None and device != -1:
        raise RuntimeError(_NONE)
    yield
