"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import _C, Tensor

from . import _fused
from .optimizer import _check, _check_fused, _scalar

__all__ = ["SGD"]


class SGD(_fused.FusedOptimizer):
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

    _count_names = ()
    _optional_state = True
    _takes_sparse = True
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
        _check(not lr < 0.0, f"Invalid learning rate: {lr}")  # NaN passes, as in PyTorch
        _check(not momentum < 0.0, f"Invalid momentum value: {momentum}")
        _check(not weight_decay < 0.0, f"Invalid weight_decay value: {weight_decay}")
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

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def _prepare(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> bool:
        if state.get("momentum_buffer") is not None:
            return False
        state["momentum_buffer"] = rl.empty_like(param)
        return True

    def _run_plan(self, group: dict[str, Any], plan: _fused.Plan, grads: list[Any]) -> None:
        _C._ops._fused_sgd_(
            plan.params,
            grads,
            plan.lists[0] if plan.lists else [],
            weight_decay=_scalar(group["weight_decay"]),
            momentum=_scalar(group["momentum"]),
            lr=_scalar(group["lr"]),
            dampening=_scalar(group["dampening"]) if plan.lists else 0.0,
            nesterov=bool(group["nesterov"]),
            maximize=bool(group["maximize"]),
            is_first_step=plan.fresh,
        )

    def _step_group(self, group: dict[str, Any]) -> None:
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
