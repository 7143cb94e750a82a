"""vmap: a function of one example, run for a batch.

`mapped` finds its steps by their names in this module when it runs: packages with containers of their own (tensordict) put theirs there.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .. import _C
from ..utils._pytree import TreeSpec, _broadcast_to_and_flatten, tree_flatten, tree_unflatten

Tensor = rl.Tensor

_RANDOMNESS = {"error": 0, "same": 1, "different": 2}


_numbers = itertools.count(1)
_running: dict[int, Any] = {}  # the levels by the numbers that the steps know them by


def _get_name(func: Callable) -> str:
    return getattr(func, "__name__", repr(func))


def _add_batch_dim(tensor: Tensor, in_dim: int, vmap_level: int) -> Tensor:
    """The tensor as a function sees it that is mapped over `in_dim`."""
    if not in_dim:
        return _running[vmap_level].wrap(tensor)
    seen = _running[vmap_level].wrap(tensor.movedim(in_dim, 0))
    seen._batch_dim = in_dim  # where it is for the program: vmap rules of custom functions are told
    return seen


def _remove_batch_dim(tensor: Tensor, vmap_level: int, batch_size: int, out_dim: int) -> Tensor:
    """All examples of what the function made, along `out_dim`; the same for each where it depends on none."""
    level = _running[vmap_level]
    rank = tensor.dim() + 1
    if not -rank <= out_dim < rank:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {out_dim})"
        )
    all_examples = level.unwrap(tensor) if level.owns(tensor) else tensor.expand(batch_size, *tensor.shape)
    return all_examples.movedim(0, out_dim) if out_dim % rank else all_examples


def _process_batched_inputs(in_dims: Any, args: tuple, func: Callable) -> tuple[int, list[Any], list[Any], TreeSpec]:
    """How many examples there are, which dimension of each argument, the arguments, and how they nest."""
    name = _get_name(func)
    where = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple, list)):
        raise ValueError(
            f"{where}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap over a "
            f"function with no inputs. The latter is unsupported."
        )
    flat, spec = tree_flatten(args)
    if isinstance(in_dims, list):
        in_dims = tuple(in_dims)
    dims = _broadcast_to_and_flatten(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{where}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{tree_flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    size = None
    for i, (value, dim) in enumerate(zip(flat, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(dim, int):
            raise ValueError(
                f"{where}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(value, rl.Tensor):
            raise ValueError(
                f"{where}: Got in_dim={dim} for an input but the input is of type {type(value)}. We cannot vmap over "
                f"non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -value.dim() <= dim < value.dim():
            raise ValueError(
                f"{where}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {value.dim()} "
                f"so expected in_dim to satisfy -{value.dim()} <= in_dim < {value.dim()}."
            )
        dims[i] = dim % value.dim()
        n = value.shape[dims[i]]
        if size is not None and n != size:
            sizes = [v.shape[d] for v, d in zip(flat, dims, strict=True) if d is not None]
            raise ValueError(
                f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the mapped dimension"
            )
        size = n
    if size is None:
        raise ValueError(f"{where}: at least one input must be mapped over, all of in_dims are None")
    return size, dims, flat, spec


def _create_batched_inputs(flat_in_dims: list, flat_args: list, vmap_level: int, args_spec: TreeSpec) -> Any:
    return tree_unflatten(
        [v if d is None else _add_batch_dim(v, d, vmap_level) for v, d in zip(flat_args, flat_in_dims, strict=True)],
        args_spec,
    )


def _maybe_remove_batch_dim(name: str, batched_output: Any, vmap_level: int, batch_size: int, out_dim: Any) -> Any:
    if not isinstance(batched_output, rl.Tensor):
        if out_dim is None:
            return batched_output
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(batched_output)}. Did you mean to set "
            f"out_dims= to None for output?"
        )
    if out_dim is None:
        if _running[vmap_level].owns(batched_output):
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return batched_output
    if not isinstance(out_dim, int):
        raise ValueError(f"vmap({name}, ..., out_dims): each must be an int or None, got {out_dim}")
    return _remove_batch_dim(batched_output, vmap_level, batch_size, out_dim)


def _unwrap_batched(batched_outputs: Any, out_dims: Any, vmap_level: int, batch_size: int, func: Callable) -> Any:
    leaves, spec = tree_flatten(batched_outputs)
    name = _get_name(func)
    if isinstance(out_dims, int) or out_dims is None:
        where = [out_dims] * len(leaves)
    else:
        found = _broadcast_to_and_flatten(tuple(out_dims) if isinstance(batched_outputs, tuple) else out_dims, spec)
        if found is None and len(leaves) == 1 and isinstance(out_dims, tuple) and len(out_dims) == 1:
            found = list(out_dims)
        if found is None:
            raise ValueError(
                f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of "
                f"`outputs`. out_dims has structure {tree_flatten(out_dims)[1]} but outputs has structure {spec}."
            )
        where = found
    return tree_unflatten(
        [_maybe_remove_batch_dim(name, v, vmap_level, batch_size, d) for v, d in zip(leaves, where, strict=True)], spec
    )


def _flat_vmap(
    func: Callable,
    batch_size: int,
    flat_in_dims: list,
    flat_args: list,
    args_spec: TreeSpec,
    out_dims: Any,
    randomness: str,
    **kwargs: Any,
) -> Any:
    level = _C._batch_level(batch_size, _RANDOMNESS[randomness])
    number = next(_numbers)
    _running[number] = level
    try:
        with level:
            result = func(*_create_batched_inputs(flat_in_dims, flat_args, number, args_spec), **kwargs)
        return _unwrap_batched(result, out_dims, number, batch_size, func)
    finally:
        del _running[number]


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """A function that maps ``func`` over a dimension of its arguments, as if called for each slice and the results stacked.

    Args:
        in_dims: which dimension of each argument is mapped over, nested as the arguments are; None for those that are not.
        out_dims: where the mapped dimension stands in the results.
        randomness: "different" or "same" draws for the examples; "error" raises where a random operator is called.
        chunk_size: at most so many examples at once.

    >>> import rushlight as torch
    >>> torch.func.vmap(torch.dot)(torch.ones(2, 3), torch.ones(2, 3))
    tensor([3., 3.])
    """
    if randomness not in _RANDOMNESS:
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and not chunk_size > 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        size, dims, flat, spec = _process_batched_inputs(in_dims, args, func)
        if chunk_size is None or chunk_size >= size:
            return _flat_vmap(func, size, dims, flat, spec, out_dims, randomness, **kwargs)
        parts = []
        for start in range(0, size, chunk_size):
            n = min(chunk_size, size - start)
            piece = [v if d is None else v.narrow(d, start, n) for v, d in zip(flat, dims, strict=True)]
            parts.append(_flat_vmap(func, n, dims, piece, spec, out_dims, randomness, **kwargs))
        leaves = [tree_flatten(p)[0] for p in parts]
        out_spec = tree_flatten(parts[0])[1]
        where = (
            [out_dims] * len(leaves[0]) if isinstance(out_dims, int) else _broadcast_to_and_flatten(out_dims, out_spec)
        )
        return tree_unflatten(
            [rl.cat(items, d) for items, d in zip(zip(*leaves, strict=True), where, strict=True)], out_spec
        )

    return mapped
