"""FakeTensor: the type that PyTorch's compiler traces with. Nothing is of it here."""

import contextlib

from .. import _missing
from .._C import Tensor

__all__ = ["FakeTensor", "is_fake", "unset_fake_temporarily"]


class FakeTensor(Tensor):
    """The type of tensors without values: use device="meta"."""


def is_fake(x) -> bool:
    """Whether it is a FakeTensor."""
    return isinstance(x, FakeTensor)


@contextlib.contextmanager
def unset_fake_temporarily():
    """A scope in which nothing is faked, as nowhere here; the mode that it leaves, None."""
    yield None


__getattr__ = _missing.getattr_of(__name__)
