"""Further tools for functions: a derivative at one point as a function, names for dimensions, batch norm without statistics."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .. import _C
from ..utils._pytree import tree_flatten, tree_unflatten
from ._grad import _gradients, _is_tensor, _unwrap, vjp


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """(func(*primals), jvp_fn): jvp_fn(*tangents) gives the product of func's Jacobian there with tangents; func runs once only.

    >>> import rushlight as torch
    >>> y, push = linearize(torch.square, torch.tensor([1.0, 2.0]))
    >>> push(torch.ones(2)), push(torch.tensor([0.0, 3.0]))
    (tensor([2., 4.]), tensor([ 0., 12.]))
    """
    flat, spec = tree_flatten(primals)
    for x in flat:
        if not _is_tensor(x):
            raise RuntimeError(f"linearize(f, *primals): Expected all primals to be Tensors, got {type(x)}")
    level = _C._grad_level()
    with level, rl.enable_grad():
        output, pull = vjp(func, *primals)
        outputs, out_spec = tree_flatten(output)
        weights = [level.wrap(rl.ones_like(_unwrap(level, y)), True) for y in outputs]
        pulled = tree_flatten(pull(tree_unflatten(weights, out_spec)))[0]
        output = _unwrap(level, output)

    def jvp_fn(*tangents: Any) -> Any:
        directions, given = tree_flatten(tangents)
        if given != spec:
            raise RuntimeError(f"Expected the tangents {given} to have the same argspec as the primals {spec}")
        for i, (v, x) in enumerate(zip(directions, flat, strict=True)):
            if v.shape != x.shape:
                raise RuntimeError(
                    f"linearize: expected tangent {i} to have the primal's shape {tuple(x.shape)}, got {tuple(v.shape)}"
                )
            if v.dtype != x.dtype:
                raise RuntimeError(
                    f"linearize: expected tangent {i} to have the primal's dtype {x.dtype}, got {v.dtype}"
                )
        with level:
            found = _unwrap(level, _gradients(pulled, weights, directions))
        return tree_unflatten(found, out_spec)

    return output, jvp_fn


def replace_all_batch_norm_modules_(root: rl.nn.Module) -> rl.nn.Module:
    """Has all batch norms in a module normalise by the batch only, without running statistics, which vmap can't write to.

    Returns the module itself, changed.
    """
    for module in root.modules():
        if isinstance(module, (rl.nn.BatchNorm1d, rl.nn.BatchNorm2d, rl.nn.BatchNorm3d)):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return root


def debug_unwrap(tensor: rl.Tensor, *, recurse: bool = True) -> rl.Tensor:
    """What a transform's tensor wraps: all levels down, or one. For looking at values while one debugs."""
    if not isinstance(tensor, rl.Tensor):
        raise RuntimeError(f"debug_unwrap: expected a Tensor, got {type(tensor).__name__}")
    while (found := _C._wrapped(tensor)) is not None:
        tensor = found[0]
        if not recurse:
            break
    return tensor


def _axes(side: str) -> list[Any]:
    """The terms of one side of a pattern: names, "1", "...", and lists of these for what stands in parentheses."""
    terms: list[Any] = []
    inner: list[Any] | None = None
    for token in re.findall(r"\.\.\.|[A-Za-z_]\w*|\d+|[()]|\S", side):
        if token == "(":
            if inner is not None:
                raise ValueError(f"rearrange: parentheses within parentheses in '{side.strip()}'")
            inner = []
            terms.append(inner)
        elif token == ")":
            if inner is None:
                raise ValueError(f"rearrange: a ')' without '(' in '{side.strip()}'")
            inner = None
        elif token == "..." or token.isidentifier() or token == "1":
            (terms if inner is None else inner).append(token)
        else:
            raise ValueError(f"rearrange: expected names, 1, ... and parentheses, got '{token}' in '{side.strip()}'")
    if inner is not None:
        raise ValueError(f"rearrange: a '(' without ')' in '{side.strip()}'")
    return terms


def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> rl.Tensor:
    """Transposes, splits and joins dimensions as a pattern says ("b c (h w) -> b (c h) w"; lists of tensors are stacked first).

    >>> import rushlight as torch
    >>> rearrange(torch.arange(6), "(a b) -> b a", a=2)
    tensor([[0, 3],
            [1, 4],
            [2, 5]])
    """
    if not isinstance(tensor, rl.Tensor):
        tensor = rl.stack(list(tensor))
    if pattern.count("->") != 1:
        raise ValueError(f"rearrange: expected a pattern with one '->', got '{pattern}'")
    left, right = (_axes(side) for side in pattern.split("->"))
    spread = tensor.dim() - sum(t != "..." for t in left)
    if "..." not in left and spread != 0:
        raise ValueError(
            f"rearrange: the pattern '{pattern}' has {len(left)} dimensions on the left, the tensor {tensor.dim()}"
        )
    if spread < 0:
        raise ValueError(f"rearrange: the pattern '{pattern}' needs more dimensions than the tensor's {tensor.dim()}")
    dots = [f".{i}" for i in range(spread)]

    def opened(terms: list[Any]) -> list[Any]:
        out: list[Any] = []
        for t in terms:
            out.extend([d for d in dots] if t == "..." else [opened(t)] if isinstance(t, list) else [t])
        return out

    left, right = opened(left), opened(right)
    sizes: dict[str, int] = {}
    shape: list[int] = []
    names: list[str] = []
    for term, n in zip(left, tensor.shape, strict=True):
        parts = term if isinstance(term, list) else [term]
        known = 1
        open_ = [p for p in parts if p != "1" and p not in axes_lengths]
        for p in parts:
            known *= axes_lengths.get(p, 1)
        if (len(open_) > 1) or (known and n % known) or (not open_ and known != n):
            raise ValueError(
                f"rearrange: a dimension of size {n} does not fit ({' '.join(parts)}) of '{pattern}' with {axes_lengths}"
            )
        for p in parts:
            size = 1 if p == "1" else n // known if p in open_ else axes_lengths[p]
            if p in sizes and p != "1":
                raise ValueError(f"rearrange: '{p}' stands twice on the left of '{pattern}'")
            sizes[p] = size
            shape.append(size)
            names.append(p)
    wanted = [p for t in right for p in (t if isinstance(t, list) else [t])]
    if sorted(p for p in wanted if p != "1") != sorted(p for p in names if p != "1"):
        raise ValueError(f"rearrange: both sides of '{pattern}' must have the same names, each once")
    split = tensor.reshape(shape)
    kept = split.squeeze([i for i, p in enumerate(names) if p == "1"]) if "1" in names else split
    order = [p for p in names if p != "1"]
    moved = kept.permute([order.index(p) for p in wanted if p != "1"])
    final = []
    for t in right:
        size = 1
        for p in t if isinstance(t, list) else [t]:
            size *= 1 if p == "1" else sizes[p]
        final.append(size)
    return moved.reshape(final)
