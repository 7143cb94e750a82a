"""Looking at the recorded graph."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import _C
from .._C import _Node as Node

__all__ = ["GradientEdge", "Node", "get_gradient_edge", "increment_version"]


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
