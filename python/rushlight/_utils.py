"""Helpers that programs take from torch._utils: how tensors in pickles are rebuilt, flat copies, errors of other threads."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

from . import _C, _missing
from ._C import Tensor
from ._pickling import _GLOBALS

# What checkpoints call: _rebuild_tensor_v2, ...
for (_module, _name), _made in _GLOBALS.items():
    if _module == "torch._utils" and callable(_made):
        globals()[_name] = _made
        if _made.__module__ != __name__:  # pickles of who calls it name it so
            _made.__module__, _made.__name__, _made.__qualname__ = __name__, _name, _name
del _module, _name, _made


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """All elements in one tensor of one dimension."""
    return _C._functions["cat"]([t.contiguous().view(-1) for t in tensors], 0)


def _unflatten_dense_tensors(flat: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Views of `flat` with the sizes of the tensors, one after another."""
    sizes = [t.numel() for t in tensors]
    return tuple(part.view(t.shape) for part, t in zip(flat.split(sizes), tensors, strict=True))


def _take_tensors(tensors: Sequence[Tensor], size_limit: int):
    """Groups of tensors of one dtype, each of no more than that many bytes."""
    groups: dict[Any, list[Tensor]] = {}
    for t in tensors:
        group = groups.setdefault(t.dtype, [])
        if group and sum(g.nbytes for g in group) + t.nbytes > size_limit:
            yield groups.pop(t.dtype)
            group = groups.setdefault(t.dtype, [])
        group.append(t)
    yield from groups.values()


def _element_size(dtype: Any) -> int:
    """The bytes of an element of that dtype."""
    if not isinstance(dtype, _C.dtype):
        raise RuntimeError(f"expected torch.dtype, but got {type(dtype)}")
    return dtype.itemsize


def _get_device_index(device: Any, optional: bool = False, allow_cpu: bool = False) -> int:
    """The index of a device that is not the CPU; -1 for the CPU where that is allowed."""
    if isinstance(device, int):
        return device
    device = _C.device(device) if device is not None else None
    if device is not None and device.type == "cpu" and not allow_cpu:
        raise ValueError(f"Expected a non cpu device, but got: {device}")
    if device is not None and device.index is not None:
        return device.index
    if device is not None and device.type == "cpu":
        return -1
    if optional and _C._accelerator() is not None:
        return _C._current_device(_C._accelerator())
    raise ValueError(f"Expected a torch.device with a specified index or an integer, but got:{device}")


def _get_device_module(device_type: str) -> Any:
    """torch.cuda, torch.cpu, ... by its name."""
    import rushlight

    module = getattr(rushlight, device_type, None)
    if module is None:
        raise RuntimeError(
            f"Device '{device_type}' does not have a corresponding module registered as 'torch.{device_type}'."
        )
    return module


def _get_available_device_type() -> str | None:
    """The kind of the accelerator; None where there is none."""
    here = _C._accelerator()
    return None if here is None else here.type


def _get_all_device_indices() -> list[int]:
    """The indices of the accelerator's devices."""
    here = _C._accelerator()
    return [] if here is None else list(range(_C._device_count(here)))


class KeyErrorMessage(str):
    """A text that a KeyError shows as it is, lines included: it shows its argument's repr."""

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """An exception as text, which another thread or process raises again."""

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        kind, error, trace = exc_info or sys.exc_info()
        self.exc_type, self.where = kind, where
        self.exc_msg = "".join(traceback.format_exception(kind, error, trace))

    def reraise(self) -> None:
        """Raises it, with the text of where it came from."""
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            raise KeyError(KeyErrorMessage(text)) from None
        if getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)  # one that takes it by name
        try:
            error = self.exc_type(text)
        except Exception:  # it takes other arguments
            raise RuntimeError(text) from None
        raise error


def _import_dotted_name(name: str) -> Any:
    """The object of a dotted name."""
    first, *rest = name.split(".")
    found = __import__(first)
    for part in rest:
        found = getattr(found, part)
    return found


class _ClassPropertyDescriptor:
    def __init__(self, fget: Any, fset: Any = None) -> None:
        self.fget = fget

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self.fget.__get__(instance, type(instance) if owner is None else owner)()


def classproperty(func: Any) -> _ClassPropertyDescriptor:
    """A property of a class."""
    return _ClassPropertyDescriptor(func if isinstance(func, (classmethod, staticmethod)) else classmethod(func))


def is_compiling() -> bool:
    """Whether a compiler traces the program, under its old name."""
    from .compiler import is_compiling as now

    return now()


__getattr__ = _missing.getattr_of(__name__)
