"""map: a function of each slice of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight

from ..utils._pytree import tree_flatten, tree_unflatten

__all__ = ["map"]


def map(f: Callable, xs: Any, *args: Any) -> Any:  # noqa: A001
    """``f(slice of xs along its first dimension, *args)`` for each, the results stacked.

    >>> map(lambda x, y: x + y, torch.arange(3), torch.tensor(10))
    tensor([10, 11, 12])
    """
    leaves, spec = tree_flatten(xs)
    if not leaves or not all(isinstance(x, rushlight.Tensor) for x in leaves):
        raise RuntimeError(f"Mapped xs can only consist of tensors. Got xs {leaves}.")
    if len({x.shape[:1] for x in leaves}) != 1 or not leaves[0].ndim or not leaves[0].shape[0]:
        raise RuntimeError(
            f"map: expected leading dimensions of one size above 0, got shapes {[tuple(x.shape) for x in leaves]}"
        )
    rows = []
    for i in range(leaves[0].shape[0]):
        found, shape = tree_flatten(f(tree_unflatten([x[i] for x in leaves], spec), *args))
        rows.append(found)
    return tree_unflatten([rushlight.stack(column) for column in zip(*rows, strict=True)], shape)
