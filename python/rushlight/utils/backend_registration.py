"""A name, methods and attributes for the device that a library adds (PyTorch's `privateuseone`)."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..nn.modules.module import Module
from ..storage import TypedStorage

__all__ = ["generate_methods_for_privateuse1_backend", "rename_privateuse1_backend"]


def rename_privateuse1_backend(backend_name: str) -> None:
    """Lets the device be called `backend_name`: ``torch.device("far:0")``, ``x.to("far")``, ``torch.far``.

    Once for the process: RuntimeError for a second name, and for the name of a device that PyTorch has.
    """
    _C._rename_privateuse1_backend(backend_name)


def _add(cls: type, name: str, value: Any) -> None:
    if hasattr(cls, name):
        raise RuntimeError(f"The custom device module of {cls} has already been registered with {name}")
    setattr(cls, name, value)


def _index(name: str, device: Any) -> Any:
    if device is None or isinstance(device, int):
        return _C.device(name) if device is None else _C.device(name, device)
    device = _C.device(device)
    if device.type != name:
        raise RuntimeError(f"Invalid device, must be {name} device")
    return device


def generate_methods_for_privateuse1_backend(
    for_tensor: bool = True,
    for_module: bool = True,
    for_packed_sequence: bool = True,
    for_storage: bool = False,
    unsupported_dtype: list | None = None,
) -> None:
    """After `rename_privateuse1_backend("far")`: ``x.far()``, ``x.is_far``, ``module.far()``, and the same of packed sequences
    and storages. RuntimeError where they are there already."""
    name = _C._get_privateuse1_backend_name()

    def moved(self: Any, device: Any = None, non_blocking: bool = False, **options: Any) -> Any:
        return self.to(device=_index(name, device), non_blocking=non_blocking, **options)

    def is_there(self: Any) -> bool:
        return self.device.type == name

    def module_moved(self: Module, device: Any = None) -> Module:
        return self._apply(lambda t: getattr(t, name)(device))

    def storage_moved(self: Any, device: Any = None, non_blocking: bool = False, **options: Any) -> Any:
        if unsupported_dtype and getattr(self, "dtype", None) in unsupported_dtype:
            raise RuntimeError(f"Cannot copy a storage of {self.dtype} to {name}: its dtype is not supported there")
        return self.to(device=_index(name, device), non_blocking=non_blocking)

    for function, text in (
        (moved, f"Returns a copy of this object in {name} memory; itself where it is there already."),
        (is_there, f"Whether it is on a {name} device."),
        (module_moved, f"Moves the parameters and buffers to the {name} device."),
    ):
        function.__doc__ = text
        function.__name__ = name
    if for_tensor:
        _add(_C.Tensor, f"is_{name}", property(is_there))
        _add(_C.Tensor, name, moved)
    if for_module:
        _add(Module, name, module_moved)
    if for_packed_sequence:
        from ..nn.utils.rnn import PackedSequence

        _add(PackedSequence, f"is_{name}", property(lambda self: self.data.device.type == name))
        _add(PackedSequence, name, moved)
    if for_storage:
        _add(TypedStorage, f"is_{name}", property(is_there))
        _add(TypedStorage, name, storage_moved)
