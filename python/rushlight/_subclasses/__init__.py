"""Tensors without values, as PyTorch's compiler uses them: rushlight has the device "meta" for that. The types can be asked for."""

from .. import _missing
from .fake_tensor import FakeTensor

__all__ = ["FakeTensor"]
__getattr__ = _missing.getattr_of(__name__)
