"""Looking at the recorded graph."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .. import _C
from .._C import _Node as Node

__all__ = [  # and allow_mutation_on_saved_tensors, loaded at first use
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]

_disabled = threading.local()  # .why, in disable_saved_tensors_hooks


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor goes: a node, and which of its inputs. ``backward`` and ``grad`` take it for the tensor."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None  # keeps the graph of a custom function, whose Python object doesn't


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The place of a tensor in the graph, which stays when the tensor is written to or gone.

    >>> x = torch.tensor([1.], requires_grad=True)
    >>> edge = torch.autograd.graph.get_gradient_edge(x)
    >>> torch.autograd.grad(x * 3, edge)
    (tensor([3.]),)
    """
    node, output_nr = _C._gradient_edge(tensor)
    token = None
    if isinstance(node, _C._FunctionContext):
        with _C.enable_grad():
            token = tensor.view_as(tensor).grad_fn
    return GradientEdge(node, output_nr, token)


class _Handles:
    """Hooks that are removed together."""

    def __init__(self, handles: list) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_multi_grad_hook(tensors: Any, fn: Callable, *, mode: str = "all") -> _Handles:
    """Calls ``fn`` in each backward pass when the gradients of several tensors are there.

    Args:
        mode: "all": once, with the list of all gradients (None for a tensor that the pass does not reach).
            "any": once, with the first gradient that is computed.

    >>> a, b = torch.rand(2, requires_grad=True), torch.rand(2, requires_grad=True)
    >>> handle = torch.autograd.graph.register_multi_grad_hook((a, b), lambda grads: print([g is None for g in grads]))
    >>> (a * b).sum().backward()
    [False, False]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = tuple(tensors)
    lock = threading.Lock()
    if mode == "any":
        done: set[int] = set()

        @functools.wraps(fn)
        def first(grad: Any) -> None:
            run = _C._current_graph_task_id()
            if run == -1:
                raise AssertionError("expected this hook to be called inside a backward call")
            with lock:
                if run in done:
                    return
                done.add(run)
            fn(grad)

        return _Handles([t.register_hook(first) for t in tensors if t.requires_grad])

    nodes = [_C._gradient_edge(t)[0] if t.requires_grad else None for t in tensors]
    waiting: dict[int, list] = {}  # of each pass: the gradients so far, and how many are to come

    def on(index: int) -> Callable[[Any], None]:
        def hook(grad: Any) -> None:
            run = _C._current_graph_task_id()
            if run == -1:
                raise AssertionError("expected this hook to be called inside a backward call")
            with lock:
                if run not in waiting:
                    expected = sum(n is not None and _C._will_engine_execute_node(n) for n in nodes)
                    waiting[run] = [[None] * len(tensors), expected]
                grads, left = waiting[run]
                grads[index] = grad
                waiting[run][1] = left = left - 1
                if left == 0:
                    del waiting[run]
            if left == 0:
                fn(grads)

        return hook

    return _Handles([t.register_hook(on(i)) for i, t in enumerate(tensors) if t.requires_grad])


def increment_version(tensor: Any) -> None:
    """Tells autograd that a tensor's memory was written to behind its back."""
    for t in [tensor] if isinstance(tensor, _C.Tensor) else tensor:
        if not t.is_inference():  # those count no versions
            _C._bump_version(t)


class saved_tensors_hooks:
    """Inside, tensors saved for backward go through ``pack_hook``, and through ``unpack_hook`` when backward reads them.

    The pack hook's result is kept in the tensor's place: a file's name, a compressed copy. It may not write to its argument.

    >>> x = torch.tensor([2.], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.to(torch.float16), lambda t: t.float()):
    ...     y = x.exp()
    >>> y.grad_fn._saved_result
    tensor([7.3906], grad_fn=<ExpBackward0>)
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if why := getattr(_disabled, "why", None):
            raise RuntimeError(why)
        _C._push_saved_hooks(self.pack_hook, self.unpack_hook)
        _disabled.entered = getattr(_disabled, "entered", 0) + 1

    def __exit__(self, *_: object) -> None:
        _disabled.entered -= 1
        _C._pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keeps a copy in the CPU's memory of what backward needs, instead of the tensors themselves."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(
            lambda t: (t.device, t.clone() if t.device.type == "cpu" else t.cpu()), lambda kept: kept[1].to(kept[0])
        )


def _hooks_are_enabled() -> bool:
    return not getattr(_disabled, "why", None)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, entering saved_tensors_hooks raises RuntimeError with this text."""
    if getattr(_disabled, "entered", 0):
        raise RuntimeError(error_message)
    old, _disabled.why = getattr(_disabled, "why", None), error_message
    try:
        yield
    finally:
        _disabled.why = old


def __getattr__(name: str) -> Any:
    if name == "allow_mutation_on_saved_tensors":
        from ._saved_mutation import allow_mutation_on_saved_tensors

        return allow_mutation_on_saved_tensors
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
