"""Forward-mode derivatives: tensors that carry a tangent, whose results carry theirs.

There are no rules of their own for it: the tangent of a result is the derivative, by the weights of its gradient, of that gradient, which
is linear in them. So what the result was computed from must have been recorded (not under no_grad), and operators need second
derivatives.

>>> import rushlight as torch
>>> with dual_level():
...     x = make_dual(torch.tensor(0.0), torch.tensor(2.0))
...     primal, tangent = unpack_dual(torch.sin(x))
>>> tangent
tensor(2.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight as rl

from . import function

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """A tensor, and its tangent: None if it has none."""

    primal: rl.Tensor
    tangent: rl.Tensor | None


class _Level:
    """The duals made so far: points to differentiate by, with their tangents."""

    def __init__(self):
        self.points: list[rl.Tensor] = []
        self.tangents: list[rl.Tensor] = []
        self.duals: dict[int, tuple[rl.Tensor, int, UnpackedDualTensor]] = {}
        self.outer = False  # whether gradients are wanted of some dual from outside


_level: _Level | None = None
_current_level = -1


def enter_dual_level() -> int:
    """Begins a level, which duals belong to. RuntimeError inside of another: levels do not nest."""
    global _level, _current_level
    if _level is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _level, _current_level = _Level(), 0
    function.call_with_tangents = _call_with_tangents
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Ends the level: no tensor has a tangent any more."""
    global _level, _current_level
    if _level is None or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is not supported."
        )
    _level, _current_level = None, -1
    function.call_with_tangents = None


_enabled = True


def _is_fwd_grad_enabled() -> bool:
    """Whether tensors carry tangents."""
    return _enabled


class _set_fwd_grad_enabled:  # noqa: N801
    """Has tensors carry tangents, or not, from here on; as a context until its end."""

    def __init__(self, mode: bool) -> None:
        global _enabled
        self.before, _enabled = _enabled, mode

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        global _enabled
        _enabled = self.before


class dual_level:
    """With this, duals can be made.

    >>> import rushlight as torch
    >>> with dual_level():
    ...     unpack_dual(torch.ones(2)).tangent is None
    True
    """

    def __enter__(self) -> int:
        self._own = enter_dual_level()
        return self._own

    def __exit__(self, *_: Any) -> None:
        exit_dual_level(level=self._own)


def _inside(what: str) -> _Level:
    if _level is None:
        raise RuntimeError(
            f"{what}: Trying to use forward AD with a tensor outside of a level: no dual_level() is entered. Use `with dual_level():`"
        )
    return _level


def _version(tensor: rl.Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version  # tensors of inference mode count no versions


def make_dual(tensor: rl.Tensor, tangent: rl.Tensor, *, level: int | None = None) -> rl.Tensor:
    """A tensor of the values of `tensor` that carries `tangent`, of the same shape and dtype.

    Gradients flow to both. ValueError for integers.
    """
    state = _inside("make_dual")
    if not _enabled:
        return tensor
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not isinstance(t, rl.Tensor):
            raise TypeError(f"make_dual: expected {name} to be a Tensor, got {type(t).__name__}")
        if not _has_tangents(t):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    if tensor.shape != tangent.shape or tensor.dtype != tangent.dtype:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size or dtype than that of the original Tensor, this is not "
            f"supported. Tensor has {tuple(tensor.shape)}, {tensor.dtype} while the given forward gradient has "
            f"{tuple(tangent.shape)}, {tangent.dtype}."
        )
    if id(tensor) in state.duals and state.duals[id(tensor)][0] is tensor:
        raise RuntimeError("make_dual: the tensor is a dual of this level already; unpack_dual gives its primal")
    with rl.enable_grad():
        outer = tensor.requires_grad or tangent.requires_grad
        point = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
        # So that the program may write to it.
        dual = function.over_the_memory_of(tensor.detach(), point)
    state.outer = state.outer or outer
    state.points.append(point)
    state.tangents.append(tangent)
    state.duals[id(dual)] = dual, _version(dual), UnpackedDualTensor(tensor, tangent)
    return dual


def unpack_dual(tensor: rl.Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent) of a tensor: of a dual what it was made of; of another what follows from the duals it was computed from.

    NotImplementedError from operators without second derivatives.
    """
    if not isinstance(tensor, rl.Tensor):
        raise TypeError(f"unpack_dual: expected a Tensor, got {type(tensor).__name__}")
    if _level is None or not _enabled:
        return UnpackedDualTensor(tensor, None)
    known = _level.duals.get(id(tensor))
    if known is not None and known[0] is tensor and known[1] == _version(tensor):
        return known[2]
    if not tensor.requires_grad or not _level.points:
        return UnpackedDualTensor(tensor, None)
    with rl.enable_grad():
        weight = rl.ones_like(tensor).requires_grad_()
        pulled = rl.autograd.grad(tensor, _level.points, weight, create_graph=True, allow_unused=True)
        live = [(g, t) for g, t in zip(pulled, _level.tangents, strict=True) if g is not None]
        if not live:
            return UnpackedDualTensor(tensor, None)
        linear = [(g, t) for g, t in live if g.requires_grad]
        tangent = None
        if linear:
            (tangent,) = rl.autograd.grad(
                [g for g, _ in linear], weight, [t for _, t in linear], create_graph=True, allow_unused=True
            )
        tangent = rl.zeros_like(tensor) if tangent is None else tangent
    if _level.outer:
        return UnpackedDualTensor(tensor, tangent)
    return UnpackedDualTensor(tensor.detach(), tangent.detach())


def _has_tangents(t: rl.Tensor) -> bool:
    return t.is_floating_point() or t.is_complex()


class _ForwardCtx:
    """The ctx of a custom function whose jvp is called."""

    saved_tensors: tuple = ()
    _plain: tuple = ()
    _dirty = False
    _materialize = True

    def __init__(self, needs: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = self.saved_tensors or tensors

    def save_for_forward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        self._plain = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        self._dirty = True

    def set_materialize_grads(self, value: bool) -> None:
        self._materialize = value

    def mark_shared_storage(self, *pairs: Any) -> None:
        pass


def _call_with_tangents(cls: Any, args: tuple) -> Any:
    """A custom function of duals, by the jvp it has; by its backward where gradients of the result are wanted too, or it writes in place."""
    state = _inside("forward-mode AD")
    unpacked = [unpack_dual(a) if isinstance(a, rl.Tensor) else UnpackedDualTensor(a, None) for a in args]
    if state.outer or all(u.tangent is None for u in unpacked):
        return rl._C._apply_function(cls, *args)
    primals = [u.primal.detach() if isinstance(u.primal, rl.Tensor) else u.primal for u in unpacked]
    ctx = _ForwardCtx(tuple(u.tangent is not None for u in unpacked))
    with rl.no_grad():
        if cls._has_setup_context:
            outputs = cls.forward(*primals)
            cls.setup_context(ctx, tuple(primals), outputs)
        else:
            outputs = cls.forward(ctx, *primals)
        if ctx._dirty:
            return rl._C._apply_function(cls, *args)
        zero = ctx._materialize
        tangents = [
            u.primal.new_zeros(u.primal.shape)
            if zero and u.tangent is None and isinstance(u.primal, rl.Tensor) and _has_tangents(u.primal)
            else u.tangent
            for u in unpacked
        ]
        made = cls.jvp(ctx, *tangents)
    results = outputs if isinstance(outputs, tuple) else (outputs,)
    given = made if isinstance(made, tuple) else (made,)
    if len(given) != len(results):
        raise RuntimeError(
            f"{cls.__name__}.jvp: expected a tangent for each of the {len(results)} results of forward, got {len(given)}"
        )
    duals = []
    for result, tangent in zip(results, given, strict=True):
        plain = not isinstance(result, rl.Tensor) or any(result is t for t in ctx._plain)
        if plain and tangent is not None:
            raise RuntimeError(
                f"{cls.__name__}.jvp: a tangent is returned for a result of forward that has none (marked by "
                "mark_non_differentiable, or no tensor). You should return None at that position instead"
            )
        if tangent is None:
            duals.append(result)
            continue
        if tangent.shape != result.shape:
            raise RuntimeError(
                f"{cls.__name__}.jvp: expected a tangent of shape {tuple(result.shape)}, as the result's, got {tuple(tangent.shape)}"
            )
        duals.append(make_dual(result.detach(), tangent.detach().to(result.dtype)))
    return tuple(duals) if isinstance(outputs, tuple) else duals[0]
