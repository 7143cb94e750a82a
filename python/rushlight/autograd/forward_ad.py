"""Forward-mode derivatives: tensors that carry a tangent, whose results carry theirs.

There are no rules of their own for it: the tangent of a call's result is the derivative, by the weights of its gradient, of that
gradient, which is linear in them. So operators need second derivatives.

>>> import rushlight as torch
>>> with dual_level():
...     x = make_dual(torch.tensor(0.0), torch.tensor(2.0))
...     primal, tangent = unpack_dual(torch.sin(x))
>>> tangent
tensor(2.)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import rushlight as rl

from .. import _C
from . import function

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """A tensor, and its tangent: None if it has none."""

    primal: rl.Tensor
    tangent: rl.Tensor | None


_current_level = -1


def enter_dual_level() -> int:
    """Begins a level, which duals belong to. RuntimeError inside of another: levels do not nest."""
    global _current_level
    if _current_level >= 0:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _C._forward_level(True)
    _current_level = 0
    function.call_with_tangents = _call_with_tangents
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Ends the level: no tensor has a tangent any more."""
    global _current_level
    if _current_level < 0 or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    _current_level = -1
    function.call_with_tangents = None
    _C._forward_level(False)


def _is_fwd_grad_enabled() -> bool:
    """Whether tensors carry tangents."""
    return _C._carries_tangents()


class _set_fwd_grad_enabled:  # noqa: N801
    """Has tensors carry tangents, or not, from here on; as a context until its end."""

    def __init__(self, mode: bool) -> None:
        self.before = _C._carries_tangents(mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        _C._carries_tangents(self.before)


class dual_level:
    """With this, duals can be made.

    >>> import rushlight as torch
    >>> with dual_level():
    ...     unpack_dual(torch.ones(2)).tangent is None
    True
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_: Any) -> None:
        exit_dual_level()


def make_dual(tensor: rl.Tensor, tangent: rl.Tensor, *, level: int | None = None) -> rl.Tensor:
    """A view of `tensor` that carries `tangent`, of the same shape and dtype.

    The tangent is kept as it is, not copied, where its memory is laid out as the tensor's: an in-place operation on the dual
    writes to both. Gradients flow to both. ValueError for integers.
    """
    if _current_level < 0:
        raise RuntimeError(
            "make_dual: Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() "
            "first: `with dual_level():`"
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not isinstance(t, rl.Tensor):
            raise TypeError(f"make_dual: expected {name} to be a Tensor, got {type(t).__name__}")
        if not _differentiable(t):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    if not _is_fwd_grad_enabled():
        return tensor
    if tensor.shape != tangent.shape or tensor.dtype != tangent.dtype:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size or dtype than that of the original Tensor, this is not "
            f"supported. Tensor has {tuple(tensor.shape)}, {tensor.dtype} while the given forward gradient has "
            f"{tuple(tangent.shape)}, {tangent.dtype}."
        )
    for name, t in (("tensor", tensor), ("tangent", tangent)):
        if _C._tangent(t) is not None:
            raise RuntimeError(
                f"make_dual: the {name} already has a forward gradient at the same level 0, which is not supported; "
                "unpack_dual gives its primal"
            )
    with _set_fwd_grad_enabled(False):
        dual = tensor.view_as(tensor)
    _C._carry(dual, tangent)
    return dual


def unpack_dual(tensor: rl.Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor. The primal shares its memory and carries no tangent."""
    if not isinstance(tensor, rl.Tensor):
        raise TypeError(f"unpack_dual: expected a Tensor, got {type(tensor).__name__}")
    if _current_level < 0 or not _is_fwd_grad_enabled():
        return UnpackedDualTensor(tensor, None)
    tangent = _C._tangent(tensor)
    return UnpackedDualTensor(tensor if tangent is None else _primal(tensor), tangent)


def _primal(dual: rl.Tensor) -> rl.Tensor:
    """No view, as its base may have a tangent."""
    with _set_fwd_grad_enabled(False):
        return function.over_the_memory_of(dual.detach(), dual) if dual.requires_grad else dual.detach()


def _differentiable(t: Any) -> bool:
    return isinstance(t, rl.Tensor) and (t.is_floating_point() or t.is_complex())


class _Calls:
    """Stands for a custom function in its call, and remembers what forward did."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls
        self._backward_cls = cls._backward_cls
        self._has_setup_context = cls._has_setup_context
        self.ctx: Any = None
        self.output: Any = None
        self.written: tuple = ()
        self.constant: tuple = ()

    def forward(self, *args: Any) -> Any:
        self.output = self._cls.forward(*args)
        if not self._has_setup_context:
            self._note(args[0])
        return self.output

    def setup_context(self, ctx: Any, inputs: Any, output: Any) -> None:
        self._cls.setup_context(ctx, inputs, output)
        self._note(ctx)

    def _note(self, ctx: Any) -> None:
        self.ctx, self.written, self.constant = ctx, ctx.dirty_tensors or (), ctx.non_differentiable or ()


class _JvpContext:
    """The ctx as jvp sees it: its saved_tensors are those of save_for_forward."""

    def __init__(self, ctx: Any) -> None:
        object.__setattr__(self, "_ctx", ctx)

    @property
    def saved_tensors(self) -> Any:
        return getattr(self._ctx, "saved_for_forward", ())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._ctx, name, value)


def _call_with_tangents(cls: Any, args: tuple) -> Any:
    """A custom function of duals, by the jvp it has, or else by its backward."""
    tangents = [_C._tangent(a) if _differentiable(a) else None for a in args]
    if not _is_fwd_grad_enabled() or all(t is None for t in tangents):
        return _C._apply_function(cls, *args)
    if cls.jvp is function.Function.jvp or any(isinstance(a, rl.Tensor) and _C._wrapped(a) for a in args):
        return _by_backward(cls, args, tangents)
    call = _Calls(cls)
    with _set_fwd_grad_enabled(False):
        outputs = _C._apply_function(call, *args)
    filled = tangents
    if call.ctx.materialize_grads:
        filled = [
            a.new_zeros(a.shape) if t is None and _differentiable(a) else t for a, t in zip(args, tangents, strict=True)
        ]
    versions = [None if t is None or t.is_inference() else t._version for t in tangents]
    made = cls.jvp(_JvpContext(call.ctx), *filled)
    results, given, raw = (x if isinstance(x, tuple) else (x,) for x in (outputs, made, call.output))
    if len(given) != len(results):
        raise RuntimeError(
            f"{cls.__name__}.jvp: Function's jvp returned an invalid number of forward gradients (expected {len(results)} but got "
            f"{len(given)})"
        )
    for i, (result, was, tangent) in enumerate(zip(results, raw, given, strict=True)):
        if not _differentiable(was) or any(was is t for t in call.constant):
            if tangent is not None:
                raise RuntimeError(
                    f"{cls.__name__}.jvp: Function's jvp returned a gradient at position {i}, but the corresponding forward output "
                    "is not a differentiable value. You should return None at that position instead."
                )
        elif tangent is not None:
            _check_tangent(cls, call, was, tangent, zip(args, tangents, versions, strict=True))
            if not any(was is t for t in call.written) or _C._tangent(result) is None:
                _C._carry(result, tangent.to(result.dtype))
    return outputs


def _check_tangent(cls: Any, call: _Calls, was: rl.Tensor, tangent: Any, given: Iterable) -> None:
    """What forward wrote to, or is a view of, has a tangent of the same kind: else later writes would reach only one of the two."""
    name = f"{cls.__name__}.jvp: "
    if not isinstance(tangent, rl.Tensor) or tangent.shape != was.shape:
        got = tuple(tangent.shape) if isinstance(tangent, rl.Tensor) else type(tangent).__name__
        raise RuntimeError(f"{name}expected a tangent of shape {tuple(was.shape)}, as the result's, got {got}")
    memory = was.untyped_storage()._cdata if was.layout == rl.strided else None
    for a, t, version in given:
        if t is None or memory is None or a.layout != rl.strided or a.untyped_storage()._cdata != memory:
            continue
        if any(was is w for w in call.written):
            if tangent is not t or t._version == version:
                raise RuntimeError(
                    f"{name}An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is "
                    "modifying an input inplace, then the jvp function must modify the corresponding gradient inplace."
                )
            return
        lacking = None
        if not tangent._is_view():
            lacking = "view"
        elif tangent._base is not t and (t._base is None or tangent._base is not t._base):
            lacking = "view of the same base" if t._is_view() else "view of the given gradient"
        if lacking is not None:
            raise RuntimeError(
                f"{name}A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a {lacking}."
            )
        return


def _by_backward(cls: Any, args: tuple, tangents: list) -> Any:
    """The tangents of the results, by differentiating the function's gradient."""
    if cls.backward is function.Function.backward and cls.vjp is function.Function.vjp:
        cls.jvp(None)  # which says that there is none
    with _set_fwd_grad_enabled(False), rl.enable_grad():
        points, seen, outer = [], [], False
        for a, t in zip(args, tangents, strict=True):
            if t is None:
                seen.append(a)
                continue
            outer = outer or a.requires_grad
            points.append(a.view_as(a) if a.requires_grad else a.detach().requires_grad_())
            seen.append(function.over_the_memory_of(a.detach(), points[-1]))
        outputs = _C._apply_function(cls, *seen)
        results = outputs if isinstance(outputs, tuple) else (outputs,)
        roots = [r for r in results if isinstance(r, rl.Tensor) and r.requires_grad]
        weights = [rl.ones_like(r).requires_grad_() for r in roots]
        made: Any = [None] * len(roots)
        if roots:
            pulled = rl.autograd.grad(roots, points, weights, create_graph=True, allow_unused=True)
            live = zip(pulled, (t for t in tangents if t is not None), strict=True)
            linear = [(g, t) for g, t in live if g is not None and g.requires_grad]
            if linear:
                made = rl.autograd.grad(
                    [g for g, _ in linear], weights, [t for _, t in linear], create_graph=True, allow_unused=True
                )
    found = iter(zip(roots, made, strict=True))
    duals = []
    for r in results:
        if not (isinstance(r, rl.Tensor) and r.requires_grad):
            duals.append(r)
            continue
        root, tangent = next(found)
        tangent = rl.zeros_like(root) if tangent is None else tangent
        dual = root if outer else root.detach()
        _C._carry(dual, tangent if outer else tangent.detach())
        duals.append(dual)
    return tuple(duals) if isinstance(outputs, tuple) else duals[0]
