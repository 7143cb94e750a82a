"""Which modules run, forward or backward."""

from __future__ import annotations

import weakref
from typing import Any

from .. import _C, nn
from ..autograd.graph import register_multi_grad_hook
from ._pytree import tree_leaves

__all__ = ["ModuleTracker"]


class ModuleTracker:
    """Inside of this context, ``parents`` holds the names of the modules that run, also while gradients flow back through them.

    The first module that is called has its class's name, those in it are named by their attributes after that. "Global" is always there.

    >>> import rushlight as torch
    >>> model, seen = torch.nn.Sequential(torch.nn.Linear(2, 2)), []
    >>> with ModuleTracker() as tracker:
    ...     handle = model[0].register_forward_pre_hook(lambda *_: seen.append(sorted(tracker.parents)))
    ...     _ = model(torch.ones(2))
    >>> seen
    [['Global', 'Sequential', 'Sequential.0']]
    """

    def __init__(self) -> None:
        self.parents: set[str] = {"Global"}
        self._names: weakref.WeakKeyDictionary[nn.Module, str] = weakref.WeakKeyDictionary()
        self._handles: list[Any] = []
        self._ends_with: int | None = None  # the run of backward whose end is waited for

    @property
    def is_bw(self) -> bool:
        """Whether gradients are being computed."""
        return _C._current_graph_task_id() != -1

    def __enter__(self) -> ModuleTracker:
        hooks = nn.modules.module
        self._handles = [
            hooks.register_module_forward_pre_hook(self._before),
            hooks.register_module_forward_hook(self._after, always_call=True),
        ]
        return self

    def __exit__(self, *_: Any) -> None:
        for handle in self._handles:
            handle.remove()
        self.parents = {"Global"}

    def _name(self, module: nn.Module) -> str:
        if module not in self._names:
            self._note(module, type(module).__name__)
        return self._names[module]

    def _note(self, module: nn.Module, name: str) -> None:
        self._names[module] = name
        for child, inner in module.named_children():
            self._note(inner, f"{name}.{child}")

    def _enters_backward(self, name: str) -> None:
        if self._ends_with != (run := _C._current_graph_task_id()):
            self._ends_with = run
            _C._queue_callback(lambda: setattr(self, "parents", {"Global"}))
        self.parents.add(name)

    def _before(self, module: nn.Module, args: Any) -> None:
        name = self._name(module)
        self.parents.add(name)
        if wanted := _recorded(args):
            handle = register_multi_grad_hook(wanted, lambda _: self.parents.discard(name))
            if any(t.is_leaf for t in wanted):  # which outlive the graph
                self._handles.append(handle)

    def _after(self, module: nn.Module, args: Any, output: Any) -> None:
        name = self._name(module)
        self.parents.discard(name)
        if wanted := _recorded(output):
            register_multi_grad_hook(wanted, lambda _: self._enters_backward(name), mode="any")


def _recorded(tree: Any) -> list[_C.Tensor]:
    if not _C.is_grad_enabled():
        return []
    return [t for t in tree_leaves(tree) if isinstance(t, _C.Tensor) and t.requires_grad]
