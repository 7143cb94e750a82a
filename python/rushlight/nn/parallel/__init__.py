"""Modules on several devices. On the CPU there is one: DataParallel runs the module as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import _missing
from ..modules import Module

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel", "parallel_apply"]


class DataParallel(Module):
    """Runs a module on parts of a batch, a part a device; without such devices it calls the module.

    The module is below the name ``module``, as checkpoints have it.

    >>> torch.nn.DataParallel(torch.nn.ReLU())(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        if device_ids:
            raise _missing.unsupported(
                f"DataParallel over the devices {list(device_ids)}", "leave device_ids out to run on the CPU"
            )
        self.module = module
        self.device_ids: list[int] = []
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Averages gradients over processes. It needs torch.distributed, which is not there: making one raises UnsupportedError."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        raise _missing.unsupported(
            "DistributedDataParallel",
            "train the module itself in one process; torch.distributed.is_available() is False here",
        )


def data_parallel(module: Module, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0, module_kwargs: Any = None) -> Any:  # fmt: skip
    """module(*inputs, **module_kwargs): the CPU is one device."""
    if device_ids:
        raise _missing.unsupported(
            f"data_parallel over the devices {list(device_ids)}", "leave device_ids out to run on the CPU"
        )
    return module(*(inputs if isinstance(inputs, tuple) else (inputs,)), **(module_kwargs or {}))


def parallel_apply(modules: Sequence[Module], inputs: Sequence, kwargs_tup: Any = None, devices: Any = None) -> list:
    """What each module gives for its inputs."""
    kwargs = kwargs_tup or [{}] * len(modules)
    if len(modules) != len(inputs) or len(kwargs) != len(modules):
        raise AssertionError(f"The number of modules {len(modules)} is not equal to the number of inputs {len(inputs)}")
    return [
        m(*(i if isinstance(i, (tuple, list)) else (i,)), **k) for m, i, k in zip(modules, inputs, kwargs, strict=True)
    ]


def _on_devices(name: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise _missing.unsupported(f"torch.nn.parallel.{name}", "the CPU is one device: call the module itself")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "Raises UnsupportedError: the CPU is one device."
    return function


scatter, gather, scatter_kwargs, replicate = map(_on_devices, ("scatter", "gather", "scatter_kwargs", "replicate"))

__getattr__ = _missing.getattr_of(__name__)
