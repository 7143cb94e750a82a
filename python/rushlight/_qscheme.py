"""How the integers of a quantised tensor stand for numbers."""

from __future__ import annotations

__all__ = [
    "per_channel_affine", "per_channel_affine_float_qparams", "per_channel_symmetric", "per_tensor_affine",
    "per_tensor_symmetric", "qscheme",
]  # fmt: skip


class qscheme:
    """One object a scheme, such as torch.per_tensor_affine; `Tensor.qscheme()` gives a tensor's.

    >>> torch.quantize_per_tensor(torch.ones(1), 0.5, 0, torch.qint8).qscheme()
    torch.per_tensor_affine
    """

    __slots__ = ("_name",)
    __module__ = "rushlight"

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name  # a global of the package

    def __copy__(self) -> qscheme:
        return self

    def __deepcopy__(self, memo: dict) -> qscheme:
        return self


per_tensor_affine = qscheme("per_tensor_affine")
per_channel_affine = qscheme("per_channel_affine")
per_tensor_symmetric = qscheme("per_tensor_symmetric")
per_channel_symmetric = qscheme("per_channel_symmetric")
per_channel_affine_float_qparams = qscheme("per_channel_affine_float_qparams")
