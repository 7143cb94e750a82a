"""Checkpoints that keep the results of some operators instead of computing them again."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import rushlight

from ._python_dispatch import TorchDispatchMode
from ._pytree import tree_map


class CheckpointPolicy(enum.Enum):
    """What becomes of an operator's result: kept for the second run, or computed again."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3


class SelectiveCheckpointContext:
    """The first argument of a policy."""

    def __init__(self, *, is_recompute: bool) -> None:
        self.is_recompute = is_recompute


class _Kept:
    def __init__(self, val: Any) -> None:
        # Detached: the result itself gets a grad_fn, which leads to whoever holds this.
        self.val = val.detach() if isinstance(val, rushlight.Tensor) else val
        self.version = self.val._version if isinstance(val, rushlight.Tensor) else None

    def get_val(self, allow_mutation: bool) -> Any:
        if self.version is not None and not allow_mutation and self.val._version != self.version:
            raise RuntimeError(
                "Tensor cached during selective activation checkpoint has been mutated: compute it again, or pass "
                "allow_cache_entry_mutation=True"
            )
        return self.val


_AGAIN = None  # stands for a result that is to be computed again


def _same_in_both_runs(func: Any) -> bool:
    return func is not rushlight.ops.aten.detach.default  # which the checkpoint itself calls


class _CachingTorchDispatchMode(TorchDispatchMode):
    """Of the first run: keeps what the policy says, by operator, in order."""

    def __init__(self, policy: Callable[..., Any], storage: dict[Any, list]) -> None:
        super().__init__()
        self.policy, self.storage = policy, storage

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not _same_in_both_runs(func):
            return func(*args, **kwargs)
        choice = self.policy(SelectiveCheckpointContext(is_recompute=False), func, *args, **kwargs)
        if isinstance(choice, bool):
            choice = CheckpointPolicy.MUST_SAVE if choice else CheckpointPolicy.PREFER_RECOMPUTE
        out = func(*args, **kwargs)
        keeps = choice in (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)
        self.storage[func].append(tree_map(_Kept, out) if keeps else _AGAIN)
        return out


class _CachedTorchDispatchMode(TorchDispatchMode):
    """Of the second run: gives back what was kept."""

    def __init__(self, storage: dict[Any, list], allow_mutation: bool) -> None:
        super().__init__()
        self.storage, self.allow_mutation = storage, allow_mutation

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not _same_in_both_runs(func):
            return func(*args, **kwargs)
        if func not in self.storage:
            raise RuntimeError(
                f"{func} encountered during backward, but not found in storage: the function did not call it in forward"
            )
        if not self.storage[func]:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any region computed under selective "
                "activation checkpoint."
            )
        kept = self.storage[func].pop(0)
        if kept is _AGAIN:
            return func(*args, **kwargs)
        return tree_map(lambda k: k.get_val(self.allow_mutation), kept)


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Any, allow_cache_entry_mutation: bool = False
) -> tuple[Any, Any]:
    """The two contexts of a ``checkpoint``, for its ``context_fn``, that keep the results of some operators for the second run.

    Args:
        policy_fn_or_list: operators (``torch.ops.aten.mm.default``) whose results are kept, or a function
            ``policy(ctx, op, *args, **kwargs)`` that returns a CheckpointPolicy or a bool, called in the first run.
        allow_cache_entry_mutation: a kept result that was written to since is no error.

    >>> from functools import partial
    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> keep = partial(create_selective_checkpoint_contexts, [torch.ops.aten.mm.default])
    >>> checkpoint(lambda t: (t @ t).exp().sum(), x, use_reentrant=False, context_fn=keep).backward()
    >>> x.grad.shape
    torch.Size([2, 2])
    """
    policy = policy_fn_or_list
    if isinstance(policy_fn_or_list, list):
        for op in policy_fn_or_list:
            if not hasattr(op, "_overloadname"):
                packet = (
                    " Please update the OpOverloadPacket to a specific OpOverload." if hasattr(op, "overloads") else ""
                )
                raise ValueError(
                    f"Expected op in `op_list` to be an OpOverload but got: {op} of type {type(op)}.{packet}"
                )
        kept = set(policy_fn_or_list)

        def policy(ctx: Any, op: Any, *args: Any, **kwargs: Any) -> bool:
            return op in kept

    elif not callable(policy_fn_or_list):
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    storage: dict[Any, list] = defaultdict(list)
    return _CachingTorchDispatchMode(policy, storage), _CachedTorchDispatchMode(storage, allow_cache_entry_mutation)
