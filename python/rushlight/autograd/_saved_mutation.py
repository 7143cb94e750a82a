"""allow_mutation_on_saved_tensors: what was saved for backward is copied before it is written to."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import _C
from ..utils._python_dispatch import TorchDispatchMode
from .graph import saved_tensors_hooks


class _Handle:
    """What a node holds for a saved tensor."""


def _memory(t: Any) -> tuple:
    return t.untyped_storage().data_ptr(), t._version


class _Context:
    """What was saved inside, by handle: as it is, or copied; a handle lives as long as a node that saved the tensor."""

    def __init__(self) -> None:
        self.cloned: Any = weakref.WeakKeyDictionary()
        self.original: Any = weakref.WeakKeyDictionary()
        self.tid_to_weakhandle: Any = weakref.WeakValueDictionary()  # by place, layout and version of a tensor
        self.of_memory: dict[tuple, Any] = {}  # the handles of one memory at one version

    def clear(self) -> None:
        for kept in (self.cloned, self.original, self.tid_to_weakhandle, self.of_memory):
            kept.clear()

    def pack(self, t: Any) -> _Handle:
        tid = (t.data_ptr(), t.dtype, t.shape, t.stride(), t._version)
        handle = self.tid_to_weakhandle.get(tid)
        if handle is None or handle in self.cloned:
            handle = self.tid_to_weakhandle[tid] = _Handle()
            self.original[handle] = t
            self.of_memory.setdefault(_memory(t), weakref.WeakSet()).add(handle)
        return handle

    def unpack(self, handle: _Handle) -> Any:
        if handle in self.cloned:
            return self.cloned[handle]
        if handle not in self.original:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was originally recorded."
            )
        return self.original[handle]

    def before_write(self, t: Any) -> None:
        for handle in self.of_memory.pop(_memory(t), ()):
            saved = self.original.pop(handle, None)
            if saved is not None:
                self.cloned[handle] = saved.clone()


class _CloneBeforeWrite(TorchDispatchMode):
    def __init__(self, context: _Context) -> None:
        super().__init__()
        self.context = context

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        for i, argument in enumerate(func._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            value = args[i] if i < len(args) else kwargs.get(argument.name)
            for t in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(t, _C.Tensor):
                    self.context.before_write(t)
        return func(*args, **kwargs)


_entered = False


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Context]:
    """Inside, tensors that were saved for backward may be written to: they are copied first, and backward reads the copy.

    Forward and backward both belong inside. Contexts do not nest.

    >>> import rushlight as torch
    >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
    ...     x = torch.tensor([2.], requires_grad=True)
    ...     y = x.clone()
    ...     out = (y * y).sum()
    ...     y = y.zero_()
    ...     out.backward()
    >>> x.grad
    tensor([4.])
    """
    global _entered
    if _entered:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    context = _Context()
    with saved_tensors_hooks(context.pack, context.unpack), _CloneBeforeWrite(context):
        _entered = True
        try:
            yield context
        finally:
            context.clear()
            _entered = False
