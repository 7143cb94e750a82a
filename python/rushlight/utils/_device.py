"""The device that constructors put tensors on, under the name of the module that PyTorch has it in."""

from __future__ import annotations

from typing import Any

from .._C import device, get_default_device, set_default_device


class DeviceContext:
    """Inside, new tensors are on this device."""

    def __init__(self, where: Any):
        self.device = device(where)

    def __enter__(self) -> DeviceContext:
        self.before = get_default_device()
        set_default_device(self.device)
        return self

    def __exit__(self, *_: object) -> None:
        set_default_device(self.before)


def set_device(where: Any) -> Any:
    """A decorator: inside the function new tensors are on this device."""
    import functools

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with DeviceContext(where):
                return function(*args, **kwargs)

        return run

    return decorate
