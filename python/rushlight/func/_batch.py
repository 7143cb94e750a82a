"""vmap: a function of one example, run for a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .. import _C
from ..utils._pytree import _broadcast_to_and_flatten, tree_flatten, tree_unflatten

_RANDOMNESS = {"error": 0, "same": 1, "different": 2}


def _name(func: Callable) -> str:
    return getattr(func, "__name__", repr(func))


def _batched_arguments(in_dims: Any, args: tuple, func: Callable) -> tuple[list[Any], list[Any], Any, int]:
    name = _name(func)
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
    return flat, dims, spec, size


def _out(value: Any, dim: Any, level: Any, name: str, size: int) -> Any:
    if not isinstance(value, rl.Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(value)}. Did you mean to set out_dims= to "
            f"None for output?"
        )
    if dim is None:
        if level.owns(value):
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return value
    if not isinstance(dim, int):
        raise ValueError(f"vmap({name}, ..., out_dims): each must be an int or None, got {dim}")
    rank = value.dim() + 1
    if not -rank <= dim < rank:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {dim})")
    all_examples = level.unwrap(value) if level.owns(value) else value.expand(size, *value.shape)
    return all_examples.movedim(0, dim) if dim % rank else all_examples


def _run(
    func: Callable, flat: list, dims: list, spec: Any, size: int, out_dims: Any, randomness: str, kwargs: dict
) -> Any:
    level = _C._batch_level(size, _RANDOMNESS[randomness])
    moved = [v if d is None else v.movedim(d, 0) if d else v for v, d in zip(flat, dims, strict=True)]
    with level:
        wrapped = [v if d is None else level.wrap(v) for v, d in zip(moved, dims, strict=True)]
        result = func(*tree_unflatten(wrapped, spec), **kwargs)
    leaves, out_spec = tree_flatten(result)
    name = _name(func)
    if isinstance(out_dims, int) or out_dims is None:
        where = [out_dims] * len(leaves)
    else:
        found = _broadcast_to_and_flatten(tuple(out_dims) if isinstance(result, tuple) else out_dims, out_spec)
        if found is None and len(leaves) == 1 and isinstance(out_dims, tuple) and len(out_dims) == 1:
            found = list(out_dims)
        if found is None:
            raise ValueError(
                f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of "
                f"`outputs`. out_dims has structure {tree_flatten(out_dims)[1]} but outputs has structure {out_spec}."
            )
        where = found
    return tree_unflatten([_out(v, d, level, name, size) for v, d in zip(leaves, where, strict=True)], out_spec)


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
        flat, dims, spec, size = _batched_arguments(in_dims, args, func)
        if chunk_size is None or chunk_size >= size:
            return _run(func, flat, dims, spec, size, out_dims, randomness, kwargs)
        parts = []
        for start in range(0, size, chunk_size):
            n = min(chunk_size, size - start)
            piece = [v if d is None else v.narrow(d, start, n) for v, d in zip(flat, dims, strict=True)]
            parts.append(_run(func, piece, dims, spec, n, out_dims, randomness, kwargs))
        leaves = [tree_flatten(p)[0] for p in parts]
        out_spec = tree_flatten(parts[0])[1]
        where = (
            [out_dims] * len(leaves[0]) if isinstance(out_dims, int) else _broadcast_to_and_flatten(out_dims, out_spec)
        )
        return tree_unflatten(
            [rl.cat(items, d) for items, d in zip(zip(*leaves, strict=True), where, strict=True)], out_spec
        )

    return mapped
