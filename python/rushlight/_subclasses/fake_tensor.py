"""FakeTensor: the type that PyTorch's compiler traces with. Nothing is of it here."""

from .. import _missing
from .._C import Tensor

__all__ = ["FakeTensor", "is_fake"]


class FakeTensor(Tensor):
    """The type of tensors without values: use device="meta"."""


def is_fake(x) -> bool:
    """Whether it is a FakeTensor."""
    return isinstance(x, FakeTensor)


__getattr__ = _missing.getattr_of(__name__)
