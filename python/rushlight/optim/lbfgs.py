"""LBFGS: a quasi-Newton method, with or without a line search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import rushlight as rl
from rushlight import Tensor

from .optimizer import Optimizer, _scalar

__all__ = ["LBFGS"]


class _Point(NamedTuple):
    """A place on the line that is searched."""

    t: Any
    loss: float
    grad: Tensor
    slope: Any  # the derivative along the line


def _cubic_minimum(a: _Point, b: _Point, low: Any = None, high: Any = None) -> Any:
    """Where the cubic with the values and slopes of two points is least between the bounds, by default the points."""
    if low is None:
        low, high = (a.t, b.t) if a.t <= b.t else (b.t, a.t)
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5 if not isinstance(square, Tensor) else square.sqrt()
    if a.t <= b.t:
        at = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    else:
        at = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(at, low), high)


def _search_line(
    evaluate: Callable[[Any], _Point],
    start: _Point,
    t: Any,
    direction_size: Any,
    tolerance_change: float,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    most: int = 25,
) -> tuple[_Point, int]:
    """A point that satisfies the strong Wolfe conditions, and how often the loss was evaluated.

    Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6.
    """

    def too_high(p: _Point) -> Any:
        return p.loss > start.loss + decrease * p.t * start.slope

    def flat(p: _Point) -> Any:
        return abs(p.slope) <= -curvature * start.slope

    before, now = start, evaluate(t)
    evaluations, tries = 1, 0
    while tries < most:  # until two points have a minimum between them
        if too_high(now) or (tries > 1 and now.loss >= before.loss):
            break
        if flat(now):
            return now, evaluations
        if now.slope >= 0:
            break
        t = _cubic_minimum(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10)
        before, now = now, evaluate(t)
        evaluations += 1
        tries += 1
    else:
        before = start
    low, high = (before, now) if before.loss <= now.loss else (now, before)
    stuck = False
    while tries < most:
        if abs(high.t - low.t) * direction_size < tolerance_change:
            break
        left, right = (low, high) if low.t <= high.t else (high, low)
        t = _cubic_minimum(left, right)
        margin = 0.1 * (right.t - left.t)
        if min(right.t - t, t - left.t) < margin:  # too near to an end: the second time in turn, move away
            if stuck or t >= right.t or t <= left.t:
                t = right.t - margin if abs(t - right.t) < abs(t - left.t) else left.t + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        now = evaluate(t)
        evaluations += 1
        tries += 1
        if too_high(now) or now.loss >= low.loss:
            low, high = (low, now) if low.loss <= now.loss else (now, low)
            continue
        if flat(now):
            return now, evaluations
        if now.slope * (high.t - low.t) >= 0:
            high = low
        low = now
    return low, evaluations


# The names and arguments with which packages take the search from PyTorch.
def _cubic_interpolate(x1: Any, f1: Any, g1: Any, x2: Any, f2: Any, g2: Any, bounds: Any = None) -> Any:
    low, high = bounds or (None, None)
    return _cubic_minimum(_Point(x1, f1, g1, g1), _Point(x2, f2, g2, g2), low, high)


def _strong_wolfe(
    obj_func: Callable[[Any, Any, Any], tuple],
    x: Any,
    t: Any,
    d: Tensor,
    f: Any,
    g: Tensor,
    gtd: Any,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_ls: int = 25,
) -> tuple[Any, Tensor, Any, int]:
    """Loss, gradient, step and number of evaluations; ``obj_func(x, t, d)``: loss and gradient at ``x + t * d``."""

    def evaluate(t: Any) -> _Point:
        loss, grad = obj_func(x, t, d)
        return _Point(t, loss, grad.clone(memory_format=rl.contiguous_format), grad.dot(d))

    found, evaluations = _search_line(
        evaluate, _Point(0, f, g, gtd), t, d.abs().max(), tolerance_change, c1, c2, max_ls
    )
    return found.loss, found.grad, found.t, evaluations


class LBFGS(Optimizer):
    """Takes the curvature from the last gradients. One group of parameters; `step` needs a closure.

    Args:
        lr: the length of a step, or where a line search starts.
        max_iter, max_eval: the most iterations and evaluations a call of `step`; by default 1.25 evaluations an iteration.
        tolerance_grad, tolerance_change: `step` ends when the largest gradient or the change is smaller.
        history_size: how many gradients are kept.
        line_search_fn: None or ``"strong_wolfe"``.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    >>> optimizer = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (w**2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item(), bool(w.abs().max() < 1e-5)
    (13.0, True)
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def _flat_grad(self) -> Tensor:
        parts = []
        for p in self._params:
            grad = rl.zeros_like(p) if p.grad is None else p.grad
            parts.append((rl.view_as_real(grad) if grad.is_complex() else grad).reshape(-1))
        return rl.cat(parts)

    def _move(self, length: Any, direction: Tensor) -> None:
        at = 0
        for p in self._params:
            real = rl.view_as_real(p) if p.is_complex() else p
            real.add_(direction[at : at + real.numel()].view_as(real), alpha=_scalar(length))
            at += real.numel()

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Iterates until a limit or a tolerance is reached; the loss that the closure gave first."""
        with rl.no_grad():
            return self._iterate(rl.enable_grad()(closure))

    def _iterate(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        state = self.state[self._params[0]]  # one for all, where PyTorch has it
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        loss, grad = float(first_loss), self._flat_grad()
        evaluations = 1
        state["func_evals"] += 1
        search = group["line_search_fn"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        if grad.abs().max() <= tolerance_grad:
            return first_loss
        direction, t, before = state.get("d"), state.get("t"), state.get("prev_flat_grad")
        loss_before = state.get("prev_loss")
        for done in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction = grad.neg()
                state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            else:
                direction = self._direction(state, grad, before, direction * t, group["history_size"])
            before, loss_before = grad.clone(), loss
            t = min(1.0, 1.0 / grad.abs().sum()) * group["lr"] if state["n_iter"] == 1 else group["lr"]
            slope = grad.dot(direction)
            if slope > -tolerance_change:
                break
            calls = 0
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError("only 'strong_wolfe' is supported")
                found, calls = self._search(closure, _Point(0, loss, grad, slope), t, direction, tolerance_change)
                loss, grad, t = found.loss, found.grad, found.t
                self._move(t, direction)
            else:
                self._move(t, direction)
                if done != group["max_iter"]:  # the last evaluation would serve nothing
                    with rl.enable_grad():
                        loss = float(closure())
                    grad = self._flat_grad()
                    calls = 1
            evaluations += calls
            state["func_evals"] += calls
            if (
                evaluations >= group["max_eval"]
                or grad.abs().max() <= tolerance_grad
                or (direction * t).abs().max() <= tolerance_change
                or abs(loss - loss_before) < tolerance_change
            ):
                break
        state.update(d=direction, t=t, prev_flat_grad=before, prev_loss=loss_before)
        return first_loss

    @staticmethod
    def _direction(state: dict[str, Any], grad: Tensor, before: Tensor, moved: Tensor, history_size: int) -> Tensor:
        """Minus the gradient times an estimate of the inverse Hessian, after noting the last step's curvature."""
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        change = grad - before
        product = change.dot(moved)
        if product > 1e-10:
            if len(changes) == history_size:
                for kept in (changes, steps, ro):
                    kept.pop(0)
            changes.append(change)
            steps.append(moved)
            ro.append(1.0 / product)
            state["H_diag"] = product / change.dot(change)
        al = state.setdefault("al", [None] * history_size)
        q = grad.neg()
        for i in reversed(range(len(changes))):
            al[i] = steps[i].dot(q) * ro[i]
            q.add_(changes[i], alpha=-al[i].item())
        q = q * state["H_diag"]
        for i in range(len(changes)):
            q.add_(steps[i], alpha=(al[i] - changes[i].dot(q) * ro[i]).item())
        return q

    def _search(
        self, closure: Callable[[], Any], start: _Point, t: Any, direction: Tensor, tolerance_change: float
    ) -> tuple[_Point, int]:
        places = [p.clone(memory_format=rl.contiguous_format) for p in self._params]

        def restore() -> None:
            for p, place in zip(self._params, places, strict=True):
                p.copy_(place)

        def evaluate(t: Any) -> _Point:
            self._move(t, direction)
            loss, grad = float(closure()), self._flat_grad()
            restore()
            return _Point(t, loss, grad, grad.dot(direction))

        return _search_line(evaluate, start, t, direction.abs().max(), tolerance_change)
