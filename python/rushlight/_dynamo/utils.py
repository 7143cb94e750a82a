"""Questions about the compiler: there is none."""

from typing import Any

from .. import _missing

__all__ = ["is_compile_supported"]


def is_compile_supported(device_type: Any) -> bool:
    """Whether programs are compiled for that kind of device: for none."""
    return False


__getattr__ = _missing.getattr_of(__name__)
