"""What a pass is."""

from __future__ import annotations

import abc
from typing import NamedTuple

from ...graph_module import GraphModule

__all__ = ["PassBase", "PassResult"]


class PassResult(NamedTuple):
    """The module after a pass, and whether the pass changed it."""

    graph_module: GraphModule
    modified: bool


class PassBase(abc.ABC):
    """A pass over a GraphModule. Subclasses define `call`; `requires` and `ensures` may check before and after."""

    def __call__(self, graph_module: GraphModule) -> PassResult | None:
        self.requires(graph_module)
        result = self.call(graph_module)
        self.ensures(graph_module)
        return result

    @abc.abstractmethod
    def call(self, graph_module: GraphModule) -> PassResult | None:
        """Changes the module, or makes another."""

    def requires(self, graph_module: GraphModule) -> None:  # noqa: B027
        """Called before the pass."""

    def ensures(self, graph_module: GraphModule) -> None:  # noqa: B027
        """Called after the pass."""
