"""Trading time for memory: activations inside a checkpoint are computed again in backward instead of being kept."""

from __future__ import annotations

import contextlib
import os
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import rushlight

from .._C import Tensor
from ..autograd.graph import saved_tensors_hooks
from ._python_dispatch import TorchDispatchMode
from ._selective_checkpoint import (
    CheckpointPolicy,
    SelectiveCheckpointContext,
    _CachedTorchDispatchMode,  # noqa: F401
    _CachingTorchDispatchMode,  # noqa: F401
    create_selective_checkpoint_contexts,
)

__all__ = [
    "CheckpointError", "CheckpointPolicy", "SelectiveCheckpointContext", "create_selective_checkpoint_contexts", "DefaultDeviceType", "check_backward_validity", "checkpoint", "checkpoint_sequential", "detach_variable",
    "get_device_states", "noop_context_fn", "set_checkpoint_debug_enabled", "set_checkpoint_early_stop", "set_device_states",
]  # fmt: skip


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function did something else than the first."""


class _Enough(Exception):
    """Ends the second run where it has made all that backward needs."""


_early_stop: bool | None = None
_debug: bool | None = None


@contextlib.contextmanager
def _setting(name: str, value: Any):
    before = globals()[name]
    globals()[name] = value
    try:
        yield
    finally:
        globals()[name] = before


def set_checkpoint_early_stop(enable: bool) -> Any:
    """A context whose checkpoints do, or don't, end their second run as soon as it has made what backward needs."""
    return _setting("_early_stop", enable)


def set_checkpoint_debug_enabled(enabled: bool | None) -> Any:
    """A context that sets the `debug` of checkpoints; None leaves it to them."""
    return _setting("_debug", enabled)


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that change nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def _facts(t: Tensor) -> dict[str, Any]:
    return {"shape": t.shape, "dtype": t.dtype, "device": t.device}


class _Operators(TorchDispatchMode):
    """Takes down which operators ran, on which shapes, called from where."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.paused = False  # while the checkpoint works for itself

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.paused:
            return func(*args, **(kwargs or {}))
        shown = ", ".join(str(list(a.shape)) if isinstance(a, Tensor) else str(a)[:40] for a in args)
        inside = os.path.dirname(rushlight.__file__)
        at = next((f for f in reversed(traceback.extract_stack()) if not f.filename.startswith(inside)), None)
        self.lines.append(f"  {len(self.lines)}: {func}({shown})" + (f" at {at.filename}:{at.lineno}" if at else ""))
        return func(*args, **(kwargs or {}))


class _Frame:
    """One checkpointed call. Forward keeps the number of each tensor that would have been saved, and its facts; the first one that
    backward asks for starts the second run, which saves them all."""

    def __init__(self, run: Callable[[], Any], early_stop: bool, check: bool, first: _Operators | None) -> None:
        self.run, self.early_stop, self.check = run, early_stop, check
        self.first = first  # the operators of the first run, where they are taken down
        self.facts: list[dict[str, Any]] = []
        self.made: dict[int, Tensor] = {}
        self.finished = False  # the first run

    def pack(self, t: Tensor) -> int:
        self.facts.append(_facts(t))
        return len(self.facts) - 1

    def unpack(self, index: int) -> Tensor:
        if index not in self.made:  # the first of this backward, or of a second one
            self.run_again()
        return self.made.pop(index)

    def run_again(self) -> None:
        if self.first is None:
            return self.fill()
        second = _Operators()
        try:
            with second:
                self.fill(second)
        except CheckpointError as e:
            raise CheckpointError(
                f"{e}\n\nYou are seeing this error because you passed `debug=True` to checkpoint, or set_checkpoint_debug_enabled(True) is "
                "in force: it lists the operators of both runs. Look for the first line in which they differ.\n\nThe first run:\n"
                + "\n".join([*self.first.lines, "", "The second run, in backward:", *second.lines])
            ) from None

    def fill(self, log: _Operators | None = None) -> None:
        made: list[Tensor] = []

        def own_detach(t: Tensor) -> Tensor:
            if log is None:
                return t.detach()
            log.paused = True
            try:
                return t.detach()
            finally:
                log.paused = False

        def keep(t: Tensor) -> Tensor:
            if len(made) == len(self.facts):
                if (
                    not self.finished
                ):  # the first run itself asked for a gradient; what it saved after that is of no use yet
                    return own_detach(t)
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than during the original forward "
                    f"pass, {len(made)}. The function must do the same whenever it is called with the same arguments."
                )
            kept = own_detach(t)
            made.append(kept)
            if self.early_stop and len(made) == len(self.facts):
                raise _Enough
            return kept

        with contextlib.suppress(_Enough), saved_tensors_hooks(keep, lambda t: t), rushlight.enable_grad():
            self.run()
        if len(made) != len(self.facts):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.facts)}\n"
                f"Number of tensors saved during recomputation: {len(made)}.\n"
                "The function must do the same whenever it is called with the same arguments."
            )
        different = [
            f"tensor at position {i}:\nsaved metadata: {saved}\nrecomputed metadata: {_facts(t)}"
            for i, (saved, t) in enumerate(zip(self.facts, made, strict=True))
            if self.check and saved != _facts(t)
        ]
        if different:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than during the "
                "forward pass.\n" + "\n".join(different)
            )
        self.made = dict(enumerate(made))


def _surroundings(preserve_rng_state: bool) -> Callable[[], Any]:
    """What gives a context that is as it is now: the state of random numbers, if wanted, and autocast."""
    state = rushlight.get_rng_state() if preserve_rng_state else None
    cast = {
        "dtype": rushlight.get_autocast_dtype("cpu"),
        "enabled": rushlight.is_autocast_enabled("cpu"),
        "cache_enabled": rushlight.is_autocast_cache_enabled(),
    }

    @contextlib.contextmanager
    def as_it_was():
        before = rushlight.get_rng_state() if state is not None else None
        try:
            if state is not None:
                rushlight.set_rng_state(state)
            with rushlight.autocast("cpu", **cast):
                yield
        finally:
            if before is not None:
                rushlight.set_rng_state(before)

    return as_it_was


class CheckpointFunction(rushlight.autograd.Function):
    """A function run without a graph; its backward runs it with one, and walks that."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable, preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run, ctx.surroundings = run_function, _surroundings(preserve_rng_state)
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        ctx.others = [None if isinstance(a, Tensor) else a for a in args]
        with rushlight.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        if not rushlight.autograd._is_checkpoint_valid():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an `inputs` parameter to "
                ".backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without passing the "
                "`inputs` argument."
            )
        args = list(ctx.others)
        for i, t in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = t
        args = list(detach_variable(tuple(args)))
        with ctx.surroundings(), rushlight.enable_grad():
            outputs = ctx.run(*args)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        walked = [(o, g) for o, g in zip(outputs, grads, strict=False) if isinstance(o, Tensor) and o.requires_grad]
        if not walked:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        rushlight.autograd.backward([o for o, _ in walked], [g for _, g in walked])
        return None, None, *(a.grad if isinstance(a, Tensor) else None for a in args)


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, keeping its arguments only; backward runs it again.

    Args:
        use_reentrant: False keeps the graph of the first run, without its values. True runs the function without a graph, and
            backward walks one of its own: some argument must need a gradient, and ``torch.autograd.grad`` is an error. None: True.
        preserve_rng_state: the second run draws the random numbers of the first (default: True).
        context_fn: gives two contexts, for the first run and for the second.
        determinism_check: "default" compares shapes, dtypes and devices of both runs, "none" doesn't.
        debug: an error lists the operators of both runs, and where they were called.

    Raises CheckpointError, in backward, if the second run saves other tensors than the first.

    >>> x = torch.ones(2, requires_grad=True)
    >>> torch.utils.checkpoint.checkpoint(torch.exp, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([2.7183, 2.7183])
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, calling "
            "checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended.",
            stacklevel=2,
        )
    if use_reentrant is not False:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'] but got {determinism_check!r}")
    if use_reentrant is not False:
        return CheckpointFunction.apply(function, preserve, *args)
    first, again = context_fn()
    if not rushlight.is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    surroundings = _surroundings(preserve)

    def run_again() -> Any:
        with surroundings(), again:
            function(*args, **kwargs)

    stop = early_stop if _early_stop is None else _early_stop
    operators = _Operators() if (debug if _debug is None else _debug) else None
    frame = _Frame(run_again, stop, determinism_check == "default", operators)
    with saved_tensors_hooks(frame.pack, frame.unpack), first, operators or contextlib.nullcontext():
        result = function(*args, **kwargs)
    frame.finished = True
    return result


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A chain of functions, or a Sequential, in ``segments`` checkpoints; the last one keeps its activations."""
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
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
        part = run(steps[start : start + size])
        input = checkpoint(part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return run(steps[end:])(input)


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tensors without their past; each needs a gradient if it did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(i.detach().requires_grad_(i.requires_grad) if isinstance(i, Tensor) else i for i in inputs)


def check_backward_validity(inputs: Sequence[Any]) -> None:
    """Warns if no tensor among the inputs needs a gradient."""
    if not any(i.requires_grad for i in inputs if isinstance(i, Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class DefaultDeviceType:
    """The kind of device whose random state checkpoints keep beside the CPU's."""

    _kind = "cpu"

    @staticmethod
    def set_device_type(device: str = "cpu") -> None:
        """Sets it."""
        DefaultDeviceType._kind = device

    @staticmethod
    def get_device_type() -> str:
        """What was set; "cpu" if nothing was."""
        return DefaultDeviceType._kind


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """The devices of the arguments that are not the CPU, and the states of their random generators."""
    devices = {a.device for a in args if isinstance(a, Tensor) and a.device.type not in ("cpu", "meta")}
    found = sorted(devices, key=str)
    return [d.index or 0 for d in found], [rushlight.get_device_module(d).get_rng_state(d) for d in found]


def set_device_states(devices: Sequence[int], states: Sequence[Tensor], *, device_type: str | None = None) -> None:
    """Sets the states of those devices' random generators."""
    kind = device_type or DefaultDeviceType.get_device_type()
    for index, state in zip(devices, states, strict=True):
        rushlight.get_device_module(kind).set_rng_state(state, rushlight.device(kind, index))
