"""Looking at the recorded graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .. import _C
from .._C import _Node as Node

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "save_on_cpu",
    "saved_tensors_hooks",
]

_disabled = threading.local()  # .why, in disable_saved_tensors_hooks


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor goes: a node, and which of its inputs."""

    node: Node
    output_nr: int


def get_gradient_edge(tensor: Any) -> GradientEdge:
    return GradientEdge(*_C._gradient_edge(tensor))


def increment_version(tensor: Any) -> None:
    """Tells autograd that a tensor's memory was written to behind its back."""
    for t in [tensor] if isinstance(tensor, _C.Tensor) else tensor:
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

    def __exit__(self, *_: object) -> None:
        _C._pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keeps a copy in the CPU's memory of what backward needs, instead of the tensors themselves."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(
            lambda t: (t.device, t.clone() if t.device.type == "cpu" else t.cpu()), lambda kept: kept[1].to(kept[0])
        )


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, entering saved_tensors_hooks raises RuntimeError with this text."""
    old, _disabled.why = getattr(_disabled, "why", None), error_message
    try:
        yield
    finally:
        _disabled.why = old
