"""The types of old, torch.FloatTensor and its kin: callables that make tensors of one dtype."""

from __future__ import annotations

from . import _C
from ._C import Tensor, _legacy_typed, _scalar_types, _storage_dtypes

_NAMES = {
    kind + "Tensor": dtype
    for dtype, kind in _scalar_types.items()
    if dtype in _storage_dtypes and dtype.to_real() is dtype and kind[0] != "Q"
}


class _TypedTensorMeta(type):
    dtype = None

    def __new__(cls, name, bases, members):
        if bases:
            raise TypeError(
                f"type 'torch.{bases[0].__name__}' is not an acceptable base type: derive from torch.Tensor"
            )
        return super().__new__(cls, name, bases, members)

    def __call__(cls, *args, device=None):
        if device is not None and _C.device(device).type != "cpu":
            raise RuntimeError(
                f"legacy constructor expects device type: cpu but device type: {_C.device(device).type} was passed"
            )
        return _legacy_typed(cls.dtype, args)

    def __instancecheck__(cls, value) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _make(name: str, dtype) -> type:
    doc = f"{name}(*sizes) or {name}(data): a {str(dtype).removeprefix('torch.')} tensor. Instances are all tensors of that dtype."
    return _TypedTensorMeta(name, (), {"dtype": dtype, "__module__": "rushlight", "__doc__": doc})


for _name, _dtype in _NAMES.items():
    globals()[_name] = _make(_name, _dtype)

__all__ = [*_NAMES]
