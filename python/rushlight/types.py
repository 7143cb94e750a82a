"""Names for annotations."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from ._C import Generator, Size, Tensor
from ._C import device as _device
from ._C import dtype as _dtype
from ._C import layout as _layout

Number: TypeAlias = int | float | bool
Device: TypeAlias = _device | str | int | None
_int, _float, _bool = int, float, bool
_size: TypeAlias = Size | list[int] | tuple[int, ...]
_TensorOrTensors: TypeAlias = Tensor | Sequence[Tensor]

__all__ = ["Any", "Device", "Generator", "Number", "Size", "Tensor", "_dtype", "_layout"]
