"""functionalize: the operators that a function runs, seen by the modes around it without views and without writes.

The program's own tensors are real ones, which views share and writes change. Beside each stands its value: what the same program would
have computed without either. Only the operators that compute values reach the modes, so a trace holds nothing else.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .. import _C
from ..utils._python_dispatch import TorchDispatchMode, _disable_current_modes, _get_current_dispatch_mode_stack
from ..utils._pytree import tree_leaves, tree_map


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """``func``, whose trace is free of writes in place; of views too with ``remove="mutations_and_views"``.

    Calls give what ``func`` gives, and inputs that it writes to are written to. A dispatch mode around the call, as make_fx's, sees operators
    that write to nothing (add for add_, slice_scatter for writing to a slice), and ``copy_`` to the changed inputs at the end. What has
    no such form is done to a copy.

    >>> import rushlight as torch
    >>> from rushlight.fx.experimental.proxy_tensor import make_fx
    >>> def f(x):
    ...     y = x.clone()
    ...     y[0].add_(1)
    ...     return y
    >>> m = make_fx(torch.func.functionalize(f))(torch.zeros(2))
    >>> [str(n.target) for n in m.graph.find_nodes(op="call_function")]
    ['aten.clone.default', 'aten.select.int', 'aten.add.Tensor', 'aten.select_scatter.default']
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): received invalid argument for `remove`. Valid options are: "
            f"'mutations', 'mutations_and_views'. Got: {remove}"
        )

    @functools.wraps(func)
    def functional(*args: Any, **kwargs: Any) -> Any:
        if not _get_current_dispatch_mode_stack():
            return func(*args, **kwargs)  # nobody sees how it comes about
        mode = _Values(remove == "mutations_and_views")
        with mode:
            result = func(*args, **kwargs)
        mode.write_back()
        mode.pass_on()
        return tree_map(mode.returned, result)

    return functional


class _View:
    """One view of a tensor, to be taken of other values again, and to be undone."""

    def __init__(self, func: Any, args: tuple, kwargs: dict, index: int | None, copies: bool) -> None:
        self.func, self.args, self.kwargs, self.index = func, args, kwargs, index
        self.copies = copies

    def of(self, base: rl.Tensor) -> rl.Tensor:
        """The view of a value; a copy of it where views are removed."""
        found = _seen_whole(_copying(self.func) if self.copies else self.func, base, *self.args, **self.kwargs)
        return found if self.index is None else found[self.index]

    def _geometry(self, base: rl.Tensor) -> rl.Tensor:
        with _disable_current_modes():
            found = self.func(base, *self.args, **self.kwargs)
        return found if self.index is None else found[self.index]

    def undone(self, base: rl.Tensor, new: rl.Tensor) -> rl.Tensor:
        """The value whose view is ``new``, and which is ``base`` elsewhere."""
        aten = rl.ops.aten
        view = self._geometry(base)

        def named(op: Any, *args: Any) -> rl.Tensor:
            return _seen_whole(_copying(op) if self.copies else op, *args)

        bound = dict(zip((a.name for a in self.func._schema.arguments[1:]), self.args, strict=False), **self.kwargs)
        name = self.func._opname
        if name in ("alias", "detach", "t", "transpose", "swapaxes", "swapdims"):
            return self.of(new)  # each is its own inverse
        if name in ("view", "reshape", "_unsafe_view", "view_as") and view.dtype == base.dtype:
            return named(aten.view.default, new, list(base.shape))
        if name == "view":
            return named(aten.view.dtype, new, base.dtype)
        if name == "permute":
            dims = [d % base.dim() for d in bound["dims"]]
            return named(aten.permute.default, new, [dims.index(i) for i in range(len(dims))])
        if name == "unsqueeze":
            return named(aten.squeeze.dim, new, bound["dim"])
        if name == "squeeze":
            gone = bound.get("dim", list(range(base.dim())))
            for d in sorted(d % max(base.dim(), 1) for d in ([gone] if isinstance(gone, int) else gone)):
                if base.dim() and base.shape[d] == 1:
                    new = named(aten.unsqueeze.default, new, d)
            return new
        if name == "expand":
            return _summed(base, view, new, self.copies)
        if name == "view_as_real":
            return named(aten.view_as_complex.default, new)
        if name == "view_as_complex":
            return named(aten.view_as_real.default, new)
        if name in ("select", "slice", "diagonal"):
            return _seen_whole(getattr(aten, f"{name}_scatter").default, base, new, *self.args, **self.kwargs)
        if name == "unbind":
            return _seen_whole(aten.select_scatter.default, base, new, bound.get("dim", 0), self.index)
        if view.dtype != base.dtype:
            raise NotImplementedError(
                f"functionalize: writing to a view by {self.func} is not supported; write to the tensor that it is a view of"
            )
        where = list(view.shape), list(view.stride()), view.storage_offset() - base.storage_offset()
        return _seen_whole(aten.as_strided_scatter.default, base, new, *where)


def _summed(base: rl.Tensor, view: rl.Tensor, new: rl.Tensor, copies: bool) -> rl.Tensor:
    """What an expanded tensor becomes when some of its many elements for one are written to: those, and else what it was."""
    aten = rl.ops.aten
    added = view.dim() - base.dim()
    dims = [d for d, n in enumerate(view.shape) if d < added or n != base.shape[d - added]]
    written = aten.ne.Tensor(new, base)
    zeros = aten.zeros_like.default(new)
    total = aten.sum.dim_IntList(aten.where.self(written, new, zeros), dims, True, dtype=base.dtype)
    found = aten.where.self(aten.any.dims(written, dims, True), total, base)
    if added == 0:
        return found
    return _seen_whole(aten.view_copy.default if copies else aten.view.default, found, list(base.shape))


class _Memory:
    """What the program takes for one piece of memory: its value, and what was written to views of it since."""

    def __init__(self, value: rl.Tensor) -> None:
        self.value, self.version = value, 0
        self.pending: list[tuple[rl.Tensor, tuple[_View, ...]]] = []

    def written(self, new: rl.Tensor, views: tuple[_View, ...]) -> None:
        self.version += 1
        if views:
            self.pending.append((new, views))
        else:
            self.value, self.pending = new, []

    def current(self) -> rl.Tensor:
        for new, views in self.pending:
            self.value = self._undone(self.value, new, views)
        self.pending = []
        return self.value

    def _undone(self, base: rl.Tensor, new: rl.Tensor, views: tuple[_View, ...]) -> rl.Tensor:
        if len(views) > 1:
            new = self._undone(views[0].of(base), new, views[1:])
        return views[0].undone(base, new)


class _Seen:
    """A tensor of the program, and its value as of a version of its memory."""

    def __init__(self, tensor: rl.Tensor, value: rl.Tensor, memory: _Memory, views: tuple[_View, ...]) -> None:
        self.tensor, self.value, self.memory, self.views = tensor, value, memory, views
        self.version = memory.version
        self.geometry = tensor.shape, tensor.stride()  # when it was first seen

    def current(self) -> rl.Tensor:
        if self.version != self.memory.version:
            self.value = functools.reduce(lambda v, view: view.of(v), self.views, self.memory.current())
            self.version = self.memory.version
        return self.value

    def write(self, new: rl.Tensor) -> None:
        self.memory.written(new, self.views)
        self.value, self.version = new, self.memory.version


class _Values(TorchDispatchMode):
    """Runs each operator for the program's tensors, unseen, and for their values."""

    def __init__(self, copies: bool) -> None:
        super().__init__()
        self.copies = copies
        self._seen: dict[int, _Seen] = {}  # which keeps the tensor, so that its id stays its own
        self._given: list[_Seen] = []  # what was not made by the program
        self._returning = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self._returning:  # a copy of what is returned, on its way through the levels
            return self._of(args[0]).current()
        if types:
            return func(*args, **kwargs)  # classes with handlers of their own
        schema = func._schema
        if schema.is_mutable:
            return self._write(func, args, kwargs)
        if func.is_view and isinstance(args[0], rl.Tensor) and args[0].layout == rl.strided:
            return self._view(func, args, kwargs)
        return self._noted(_seen_whole(func, *self._values(args), **self._values(kwargs)))

    def _of(self, tensor: rl.Tensor) -> _Seen:
        if id(tensor) not in self._seen:
            self._seen[id(tensor)] = _Seen(tensor, tensor, _Memory(tensor), ())
            self._given.append(self._seen[id(tensor)])
        return self._seen[id(tensor)]

    def _values(self, tree: Any) -> Any:
        return tree_map(lambda a: self._of(a).current() if isinstance(a, rl.Tensor) else a, tree)

    def _noted(self, result: Any) -> Any:
        for t in tree_leaves(result):
            if isinstance(t, rl.Tensor) and id(t) not in self._seen:
                self._seen[id(t)] = _Seen(t, t, _Memory(t), ())
        return result

    def _view(self, func: Any, args: tuple, kwargs: dict) -> Any:
        base = args[0]
        with _disable_current_modes():
            made = func(*args, **kwargs)
        results = made if isinstance(made, (list, tuple)) else [made]
        memory = base.untyped_storage()._cdata
        if any(t.untyped_storage()._cdata != memory for t in results):  # it had to copy
            return self._noted(_seen_whole(func, *self._values(args), **self._values(kwargs)))
        seen, rest = self._of(base), (self._values(args[1:]), self._values(kwargs))
        seen.current()
        all_values = None
        for i, t in enumerate(results):
            if t is base:
                continue
            view = _View(func, *rest, i if made is not t else None, self.copies)
            if all_values is None:
                found = _seen_whole(_copying(func) if self.copies else func, seen.value, *rest[0], **rest[1])
                all_values = found if isinstance(found, (list, tuple)) else [found]
            self._seen[id(t)] = _Seen(t, all_values[i], seen.memory, (*seen.views, view))
        return made

    def _write(self, func: Any, args: tuple, kwargs: dict) -> Any:
        arguments = func._schema.arguments
        bound = {a.name: v for a, v in zip(arguments, args, strict=False)} | kwargs
        written = [
            t
            for a in arguments
            if a.alias_info is not None and a.alias_info.is_write
            for t in tree_leaves(bound.get(a.name))
            if isinstance(t, rl.Tensor)
        ]
        other = _without_writes(func)
        first = args[0] if args and isinstance(args[0], rl.Tensor) else None
        if other is not None and other.is_view and first is not None:  # unsqueeze_(): another view from here on
            seen = self._of(first)
            view = _View(other, self._values(args[1:]), self._values(kwargs), None, self.copies)
            seen.value = view.of(seen.current())
            seen.views = (*seen.views, view)
            with _disable_current_modes():
                return func(*args, **kwargs)
        outs = {a.name for a in arguments if a.is_out}
        if first is not None and func._opname in ("zero_", "copy_"):
            news = [_filled(self._of(first).current(), self._values(args[1:]))]
            result: Any = first
        elif other is not None:
            named = {k: v for k, v in kwargs.items() if k not in outs}
            # bernoulli_() has a default that bernoulli() hasn't.
            for a, b in zip(arguments, other._schema.arguments, strict=False):
                if a.name not in bound and a.has_default_value() and not b.has_default_value():
                    named[a.name] = a.default_value
            made = _seen_whole(other, *self._values(args), **self._values(named))
            news = list(made) if isinstance(made, (list, tuple)) else [made]
            result = written if len(written) > 1 else written[0]
        else:
            copies = {id(t): rl.ops.aten.clone.default(self._of(t).current()) for t in written}

            def given(a: Any) -> Any:
                return copies.get(id(a), None) if id(a) in copies else self._of(a).current()

            values = tree_map(lambda a: given(a) if isinstance(a, rl.Tensor) else a, (args, kwargs))
            made = _seen_whole(func, *values[0], **values[1])
            news = [copies[id(t)] for t in written]
            back = {id(copies[id(t)]): t for t in written}
            result = self._noted(tree_map(lambda t: back.get(id(t), t), made))
        for t, new in zip(written, news, strict=True):
            if new.dtype != t.dtype:
                new = rl.ops.aten._to_copy.default(new, dtype=t.dtype)
            seen = self._of(t)
            if seen.views and new.shape != t.shape:
                raise NotImplementedError(
                    f"functionalize: {func} of shape {tuple(new.shape)} to a view of shape {tuple(t.shape)} is not supported; "
                    "write to a tensor that is no view"
                )
            seen.write(new)
            with _disable_current_modes():
                if new.shape != t.shape:
                    t.resize_(new.shape)
                t.copy_(new)
        return tuple(result) if isinstance(result, list) else result

    def write_back(self) -> None:
        """Has the modes around see what becomes of the tensors that the program was given."""
        for seen in self._given:
            t = seen.tensor
            moved = (t.shape, t.stride()) != seen.geometry
            if not (moved or seen.memory.version):
                continue
            new = seen.current()
            with rl.no_grad():  # t has all of this already
                if moved and t.numel() != math.prod(seen.geometry[0]):
                    _seen_whole(rl.ops.aten.resize_.default, t, list(t.shape))
                elif moved:
                    _seen_whole(rl.ops.aten.as_strided_.default, t, list(t.shape), list(t.stride()))
                _seen_whole(rl.ops.aten.copy_.default, t, new)

    def pass_on(self) -> None:
        """Tells the modes around of the tensors that others may have kept, as autograd does: they stand for their values."""
        for mode in _get_current_dispatch_mode_stack():
            if hasattr(mode, "stands_for"):
                for seen in self._seen.values():
                    if seen.value is not seen.tensor and seen.version == seen.memory.version:
                        mode.stands_for(seen.tensor, seen.value)

    def stands_for(self, tensor: rl.Tensor, value: rl.Tensor) -> None:
        self._seen[id(tensor)] = _Seen(tensor, self._of(value).current(), _Memory(value), ())

    def returned(self, t: Any) -> Any:
        """A result as the modes around know it."""
        if not isinstance(t, rl.Tensor):
            return t
        inner = t
        while (found := _C._wrapped(inner)) is not None:
            inner = found[0]
        if id(inner) not in self._seen:
            return t
        value = self._seen[id(inner)].current()
        if value is inner:
            return t
        if inner is t and not t.requires_grad:
            return value
        self._returning = True
        try:
            with self:
                return t.clone()
        finally:
            self._returning = False


def _filled(old: rl.Tensor, args: tuple) -> rl.Tensor:
    """What zero_() or copy_(source) makes of a tensor."""
    aten = rl.ops.aten
    if not args:
        return aten.zeros_like.default(old)
    new = args[0]
    if new.shape != old.shape:
        new = _seen_whole(aten.expand_copy.default, new, list(old.shape))
    elif new.dtype == old.dtype:
        return aten.clone.default(new)
    return new if new.dtype == old.dtype else aten._to_copy.default(new, dtype=old.dtype)


def _seen_whole(func: Any, *args: Any, **kwargs: Any) -> Any:
    """A call that the innermost mode sees as it is, where the operator is made of others too."""
    if not _get_current_dispatch_mode_stack():
        return func(*args, **kwargs)
    mode = _C._pop_torch_dispatch_stack()
    try:
        return mode.__torch_dispatch__(func, (), args, kwargs)
    finally:
        _C._push_on_torch_dispatch_stack(mode)


@functools.cache
def _copying(func: Any) -> Any:
    """The view operator's form that copies, if it has one."""
    packet = getattr(rl.ops.aten, f"{func._opname}_copy", None) if func.namespace == "aten" else None
    return getattr(packet, func._overloadname) if packet and func._overloadname in packet.overloads() else func


@functools.cache
def _without_writes(func: Any) -> Any:
    """The overload that computes what this one writes; None if there is none."""
    if func.namespace != "aten":
        return None
    wanted = [(a.name, a.schema_type) for a in func._schema.arguments if not a.is_out]
    outs = [a for a in func._schema.arguments if a.is_out]
    name = func._opname if outs else func._opname.removesuffix("_")
    name = {"normal": "normal_functional"}.get(name, name) if not outs else name
    if name == func._opname and not outs:
        return None
    packet = getattr(rl.ops.aten, name, None)
    for overload in packet.overloads() if packet is not None else ():
        found = getattr(packet, overload)
        if [(a.name, a.schema_type) for a in found._schema.arguments] == wanted and not found._schema.is_mutable:
            return found
    return None
