"""A context that programs enter for vmap, in which indexing with tensors of one number does not read the numbers."""

from typing import Any

from .. import _missing
from .._C import Tensor
from .._ops import ops
from ..overrides import TorchFunctionMode

__all__ = ["TransformGetItemToIndex"]


class TransformGetItemToIndex(TorchFunctionMode):
    """Inside, x[i, j] with tensors i and j is the operator `index`, which vmap maps, whatever their shapes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__getitem__:
            places = args[1] if isinstance(args[1], tuple) else (args[1],)
            if all(isinstance(p, Tensor) for p in places):
                return ops.aten.index(args[0], list(places))
        return func(*args, **(kwargs or {}))


__getattr__ = _missing.getattr_of(__name__)
