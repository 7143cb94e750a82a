"""scan: a function over the slices of tensors, each call given what the one before carried on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight

from ..utils._pytree import tree_flatten, tree_unflatten

__all__ = ["scan"]


def scan(combine_fn: Callable, init: Any, xs: Any, *, dim: int = 0, reverse: bool = False) -> tuple[Any, Any]:
    """(the last carry, what the calls gave stacked along dim), of ``carry, y = combine_fn(carry, slice of xs)`` for each slice.

    >>> scan(lambda carry, x: (carry + x, carry * x), torch.tensor(0), torch.arange(4))
    (tensor(6), tensor([0, 0, 2, 9]))
    """
    leaves, spec = tree_flatten(xs)
    if not leaves:
        return init, []
    if not callable(combine_fn):
        raise RuntimeError(f"Combine_fn must be a callable, but got {combine_fn}")
    for x in leaves:
        if not isinstance(x, rushlight.Tensor):
            raise RuntimeError(f"All xs leaves must be a Tensor but got {x}")
        if x.ndim <= dim or x.shape[dim] == 0:
            raise RuntimeError(
                "All xs leaves must at least have 'dim' number of dimensions and scan dimension > 0, "
                f"got dim {dim} of shape {tuple(x.shape)}"
            )
    steps = range(leaves[0].shape[dim])
    carry, rows = init, []
    for i in reversed(steps) if reverse else steps:
        carry, y = combine_fn(carry, tree_unflatten([x.select(dim, i) for x in leaves], spec))
        found, shape = tree_flatten(y)
        rows.append(found)
    columns = [rushlight.stack(c[::-1] if reverse else c, min(dim, c[0].ndim)) for c in zip(*rows, strict=True)]
    return carry, tree_unflatten(columns, shape)
