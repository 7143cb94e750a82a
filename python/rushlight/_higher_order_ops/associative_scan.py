"""associative_scan: running results of a function that combines two elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight

from ..utils._pytree import tree_flatten, tree_unflatten

__all__ = ["associative_scan"]


def associative_scan(
    combine_fn: Callable, xs: Any, dim: int, reverse: bool = False, combine_mode: str = "pointwise"
) -> Any:
    """The tree with, at each place along dim, what combine_fn makes of all elements up to there.

    combine_fn takes two trees like `xs` and has to be associative: pairs are combined, log2(n) times over all places at once.

    >>> associative_scan(lambda a, b: a + b, torch.arange(1, 5), 0)
    tensor([ 1,  3,  6, 10])
    """
    leaves, spec = tree_flatten(xs)
    if not leaves:
        raise ValueError("Expected at least 1 xs leaf")
    if len({leaf.shape[dim] for leaf in leaves}) != 1:
        raise ValueError(
            f"associative_scan: expected leaves of one size in dimension {dim}, got {[tuple(v.shape) for v in leaves]}"
        )
    if reverse:
        leaves = [leaf.flip(dim) for leaf in leaves]
    size, step = leaves[0].shape[dim], 1
    while step < size:  # each place takes what stands `step` before it
        before = tree_unflatten([leaf.narrow(dim, 0, size - step) for leaf in leaves], spec)
        after = tree_unflatten([leaf.narrow(dim, step, size - step) for leaf in leaves], spec)
        made = tree_flatten(combine_fn(before, after))[0]
        leaves = [rushlight.cat([leaf.narrow(dim, 0, step), new], dim) for leaf, new in zip(leaves, made, strict=True)]
        step *= 2
    if reverse:
        leaves = [leaf.flip(dim) for leaf in leaves]
    return tree_unflatten(leaves, spec)
