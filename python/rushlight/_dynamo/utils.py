"""Questions about the compiler: there is none."""

from typing import Any

from .. import _missing

__all__ = ["clone_input", "is_compile_supported"]


def is_compile_supported(device_type: Any) -> bool:
    """Whether programs are compiled for that kind of device: for none."""
    return False


def clone_input(x: Any, *, dtype: Any = None) -> Any:
    """A leaf of a tensor's values and strides, that needs a gradient if the tensor does, with its .grad."""
    made = x.detach().clone() if dtype is None else x.detach().to(dtype, copy=True)
    made.requires_grad_(x.requires_grad)
    if x.is_leaf and x.grad is not None:
        made.grad = clone_input(x.grad, dtype=dtype)
    return made


__getattr__ = _missing.getattr_of(__name__)
