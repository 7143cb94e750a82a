"""Modules that were read from other formats, which are run far more often than trained."""

from __future__ import annotations

import copy
from typing import Any

import rushlight as rl

from .. import _C
from ._marks import is_tracing
from ._modules import RecursiveScriptModule, ScriptMethod, _Method


class _Forward(_Method):
    def __get__(self, module: Any, cls: Any = None) -> Any:
        if module is None:
            return self
        method = ScriptMethod(module._run, self.name)
        method.__dict__.update(owner=module, __doc__=self.__doc__)
        return method


class _Frozen:
    """What runs instead of a module, and the copy it was made of, whose tensors share their memory with the module's until either is written to."""

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self.twin: Any = None
        self.program: Any = None
        self.waits = 0  # for so many calls nothing was written
        self.patience = 0  # how many there have to be before it is frozen again


class ImportedModule(RecursiveScriptModule):
    """A script module whose calls without gradients run a frozen copy of it for as long as its parameters stay as they are.

    >>> import io, rushlight as torch
    >>> file = io.BytesIO()
    >>> torch.onnx.export(torch.nn.Linear(2, 1), torch.ones(1, 2), file, dynamo=False)
    >>> model = torch.onnx.load(file.getvalue())
    >>> with torch.no_grad():
    ...     before = model(torch.ones(1, 2))
    ...     _ = model.weight.add_(1)
    ...     model(torch.ones(1, 2)) - before
    tensor([[2.]])
    """

    forward = _Forward("forward")  # type: ignore[assignment]

    def _run(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return (self._program() or self._c)._call(name, *args, **kwargs)

    def _program(self) -> Any:
        own = self.__dict__
        state = own.get("_frozen")
        if rl.is_grad_enabled():
            if state is not None:  # what trains is written to: no copy should be in its way
                state.twin = state.program = None
            return None
        if is_tracing():
            return None
        if state is None or state.compiled is not self._c:
            state = own["_frozen"] = _Frozen(self._c)
        if state.twin is not None:
            if _C._shares_state(self._c, state.twin):
                return state.program
            state.twin = state.program = None
            state.waits, state.patience = 0, 2 * state.patience + 4
        state.waits += 1
        if state.waits <= state.patience:
            return None
        tensors = [t for t in (*self.parameters(), *self.buffers()) if t is not None]
        try:
            twin = copy.deepcopy(self._c, {id(t): t.detach()._lazy_clone() for t in tensors})
        except RuntimeError:  # memory that belongs to somebody else, who may write to it
            twin = None
        if twin is None or not _C._shares_state(self._c, twin):
            state.waits, state.patience = 0, 2 * state.patience + 4
            return None
        state.twin = twin
        state.program = _C._freeze(twin, ["forward"], [], True)
        return state.program
