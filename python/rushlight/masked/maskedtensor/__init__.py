"""Tensors that carry a mask: which of their elements count."""

from __future__ import annotations

from ..._missing import getattr_of as _getattr_of
from .binary import _apply_native_binary, _is_native_binary  # noqa: F401
from .core import MaskedTensor, is_masked_tensor  # noqa: F401
from .unary import _apply_native_unary, _is_native_unary  # noqa: F401

__getattr__ = _getattr_of(__name__)
