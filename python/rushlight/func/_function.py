"""autograd.Function under transforms: forward runs outside of a level, and each level has a context of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight as rl

from .. import _C
from ..utils._pytree import tree_flatten, tree_unflatten


class VmapInfo(NamedTuple):
    """What the ``vmap`` of a Function is told of the batch."""

    batch_size: int
    randomness: str


def _wrap(level: Any, output: Any, dims: Any) -> Any:
    if isinstance(output, tuple):
        dims = dims if isinstance(dims, tuple) else (dims,) * len(output)
        return tuple(_wrap(level, o, d) for o, d in zip(output, dims, strict=True))
    if not isinstance(output, rl.Tensor) or dims is None:
        return output
    return level.wrap(output.movedim(dims, 0) if level.batch() else output)


def apply(cls: Any, level: Any, args: tuple) -> Any:
    """cls.apply(*args), some of which belong to the level."""
    if not cls._has_setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override "
            "the setup_context staticmethod. For more details, please see "
            "https://pytorch.org/docs/main/notes/extending.func.html"
        )
    leaves, spec = tree_flatten(args)  # lists of tensors too
    mine = [isinstance(a, rl.Tensor) and level.owns(a) for a in leaves]
    outside = [level.unwrap(a) if m else a for a, m in zip(leaves, mine, strict=True)]
    inner = tree_unflatten(outside, spec)
    batch = level.batch()
    if batch is None:
        output = level.call_outside(cls.apply, *inner)
        same = {id(i): a for i, a, m in zip(outside, leaves, mine, strict=True) if m}  # what forward returns as it came

        def wrap(o: Any) -> Any:
            return same.get(id(o)) if id(o) in same else level.wrap(o) if isinstance(o, rl.Tensor) else o

        output = tuple(map(wrap, output)) if isinstance(output, tuple) else wrap(output)
        return _C._wire_function(cls, output, *args)
    own_rule = cls.vmap is not rl.autograd.Function.vmap
    if getattr(cls, "generate_vmap_rule", False):
        if own_rule:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an overriden vmap "
                "staticmethod. Please set generate_vmap_rule=False or delete the overriden vmap staticmethod to avoid ambiguity."
            )

        def each(*given: Any) -> Any:
            outs = [
                cls.apply(*tree_unflatten([g.select(0, b) if m else g for g, m in zip(given, mine, strict=True)], spec))
                for b in range(batch[0])
            ]
            return tuple(map(rl.stack, zip(*outs, strict=True))) if isinstance(outs[0], tuple) else rl.stack(outs)

        return _wrap(level, level.call_outside(each, *outside), 0)
    if not own_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please override and implement the "
            "vmap staticmethod or set generate_vmap_rule=True."
        )
    along = [getattr(a, "_batch_dim", 0) if m else None for a, m in zip(leaves, mine, strict=True)]
    where = [o.movedim(0, d) if d else o for o, d in zip(outside, along, strict=True)]
    in_dims = tree_unflatten(along, spec)
    found = level.call_outside(cls.vmap, VmapInfo(*batch), in_dims, *tree_unflatten(where, spec))
    if not (isinstance(found, tuple) and len(found) == 2):
        raise RuntimeError(
            f"Expected the vmap staticmethod of {cls.__name__} to have two returns, an output and out_dims, with pytree "
            f"structure compatible with the output. Got: {type(found).__name__}"
            + (f" of {len(found)}" if isinstance(found, tuple) else "")
        )
    output, dims = found
    if isinstance(dims, tuple) and not (isinstance(output, tuple) and len(output) == len(dims)):
        raise RuntimeError(
            f"The vmap staticmethod of {cls.__name__} returned an incompatible (output, out_dims) tuple. Expected out_dims="
            f"{dims} to be compatible with the structure of `output`, which is of type {type(output).__name__}"
        )
    return _wrap(level, output, dims)
