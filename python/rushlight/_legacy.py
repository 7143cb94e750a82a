"""The types of old, torch.FloatTensor and its kin: callables that make tensors of one dtype."""

from __future__ import annotations

from ._C import Tensor, _dtypes, _legacy_typed

_NAMES = {
    "FloatTensor": "float32", "DoubleTensor": "float64", "HalfTensor": "float16", "BFloat16Tensor": "bfloat16", "LongTensor": "int64",
    "IntTensor": "int32", "ShortTensor": "int16", "CharTensor": "int8", "ByteTensor": "uint8", "BoolTensor": "bool",
}  # fmt: skip


class _TypedTensorMeta(type):
    dtype = None

    def __call__(cls, *args):
        return _legacy_typed(cls.dtype, args)

    def __instancecheck__(cls, value) -> bool:
        return isinstance(value, Tensor) and value.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _make(name: str, dtype: str) -> type:
    doc = f"{name}(*sizes) or {name}(data): a {dtype} tensor. Instances are all tensors of that dtype."
    return _TypedTensorMeta(name, (), {"dtype": _dtypes[dtype], "__module__": "rushlight", "__doc__": doc})


for _name, _dtype in _NAMES.items():
    globals()[_name] = _make(_name, _dtype)

__all__ = [*_NAMES]
