"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from . import _fused
from .optimizer import TensorwiseOptimizer, _check, _check_fused, _scalar

__all__ = ["SGD"]


class SGD(TensorwiseOptimizer):
    """Stochastic gradient descent, with momentum if asked for.

    Args:
        dampening: how much of the gradient the momentum leaves out.
        nesterov: Nesterov's momentum.
        maximize: go up instead of down.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.8
    """

    _added_settings = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        _check(lr >= 0.0, f"Invalid learning rate: {lr}")
        _check(momentum >= 0.0, f"Invalid momentum value: {momentum}")
        _check(weight_decay >= 0.0, f"Invalid weight_decay value: {weight_decay}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, defaults)
        _check_fused(fused, foreach, differentiable)

    def _step_group(self, group: dict[str, Any]) -> None:
        fused = _fused.kernel("_fused_sgd_")
        if fused is None or group["differentiable"] or group.get("foreach"):
            self._step_singly(group)
            return
        momentum = group["momentum"]
        plans_of = self.__dict__.setdefault("_plans", {})
        plans = plans_of.get(id(group))
        names = ("momentum_buffer",) if momentum != 0 else ()
        state = self.state
        grads = plans.gradients(group, state, names) if plans is not None else None
        first_steps: set[int] = set()
        if grads is None:

            def first(param: Tensor, own: dict[str, Any]) -> None:
                own["momentum_buffer"] = rl.empty_like(param)
                first_steps.add(id(param))

            plans = _fused.GroupPlans(group, state, names, first)
            if not plans.fits:
                for p in plans.params:
                    if id(p) in first_steps:
                        del state[p]["momentum_buffer"]
                self._step_singly(group)
                return
            plans_of[id(group)] = plans
            grads = [[p.grad for p in plan.params] for plan in plans.plans]
        settings = {
            "weight_decay": _scalar(group["weight_decay"]),
            "momentum": momentum,
            "lr": _scalar(group["lr"]),
            "dampening": group["dampening"],
            "nesterov": group["nesterov"],
            "maximize": group["maximize"],
        }
        for plan, plan_grads in zip(plans.plans, grads, strict=True):
            buffers = plan.lists[0] if momentum != 0 else []
            if not first_steps:
                fused(plan.params, plan_grads, buffers, is_first_step=False, **settings)
                continue
            for is_first in (True, False):
                chosen = [i for i, p in enumerate(plan.params) if (id(p) in first_steps) is is_first]
                if chosen:
                    fused(
                        [plan.params[i] for i in chosen],
                        [plan_grads[i] for i in chosen],
                        [buffers[i] for i in chosen],
                        is_first_step=is_first,
                        **settings,
                    )

    def _step_singly(self, group: dict[str, Any]) -> None:
        for param in group["params"]:
            if param.grad is not None:
                self._step_one(group, param, -param.grad if group["maximize"] else param.grad)

    def _step_one(self, group: dict[str, Any], param: Tensor, grad: Tensor) -> None:
        weight_decay, momentum = group["weight_decay"], group["momentum"]
        if _scalar(weight_decay) != 0:
            grad = grad.add(param, alpha=_scalar(weight_decay))
        if momentum != 0:
            state = self.state[param]
            buf = state.get("momentum_buffer")
            if buf is None:
                buf = grad.detach().clone()
                state["momentum_buffer"] = buf
            else:
                buf.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(buf, alpha=momentum) if group["nesterov"] else buf
        param.add_(grad, alpha=-_scalar(group["lr"]))
