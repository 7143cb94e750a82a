"""Trading time for memory: activations inside a checkpoint are computed again in backward instead of being kept."""

from __future__ import annotations

import contextlib
from typing import Any

import rushlight

from .._C import Tensor

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Checkpoint(rushlight.autograd.Function):
    """The first tensor is always one that needs a gradient: parameters inside may need theirs although no argument does."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, call: Any, rng: Any, *args: Any) -> Any:
        ctx.call, ctx.rng = call, rng
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.args = [None if isinstance(a, Tensor) else a for a in args]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return call(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        args = list(ctx.args)
        for i, t in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = t.detach().requires_grad_(t.requires_grad)
        now = rushlight.get_rng_state()
        if ctx.rng is not None:
            rushlight.set_rng_state(ctx.rng)
        try:
            with rushlight.enable_grad():
                outputs = ctx.call(*args)
        finally:
            if ctx.rng is not None:
                rushlight.set_rng_state(now)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        live = [(o, g) for o, g in zip(outputs, grads, strict=True) if isinstance(o, Tensor) and o.requires_grad]
        if not live:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        rushlight.autograd.backward([o for o, _ in live], [g for _, g in live])
        return (None, None, None, *(a.grad if isinstance(a, Tensor) and a.is_leaf else None for a in args))


def checkpoint(
    function: Any,
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, keeping its arguments only; backward runs it again. Gradients come by ``backward()``.

    Args:
        preserve_rng_state: the second run draws the random numbers of the first.
    """
    if not rushlight.is_grad_enabled():
        return function(*args, **kwargs)

    first, again = context_fn() if context_fn else (contextlib.nullcontext(), contextlib.nullcontext())
    runs = iter((first,))

    def call(*a: Any) -> Any:
        with next(runs, again):
            return function(*a, **kwargs)

    anchor = rushlight.empty(0, requires_grad=True)
    return _Checkpoint.apply(anchor, call, rushlight.get_rng_state() if preserve_rng_state else None, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A chain of functions, or a Sequential, in ``segments`` checkpoints; the last one keeps its activations."""
    steps = list(functions.children()) if isinstance(functions, rushlight.nn.Sequential) else list(functions)

    def run(part: list[Any]) -> Any:
        def forward(value: Any) -> Any:
            for step in part:
                value = step(value)
            return value

        return forward

    size = len(steps) // segments
    end = size * (segments - 1)
    for start in range(0, end, size) if size else ():
        input = checkpoint(run(steps[start : start + size]), input, use_reentrant=use_reentrant, **kwargs)
    return run(steps[end:])(input)
