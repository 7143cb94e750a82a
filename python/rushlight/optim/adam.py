"""Adam."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import _C, Tensor

from . import _fused
from .optimizer import (
    _as_real,
    _check_common,
    _check_fused,
    _new_step,
    _scalar,
    _zeros_like,
)

__all__ = ["Adam"]

_add_to_all = _C._ops._foreach_add_


class Adam(_fused.FusedOptimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    Args:
        betas: the decay of the two means.
        eps: added to the denominator.
        weight_decay: added to the gradient times the weight; with ``decoupled_weight_decay`` it shrinks the weight
            itself, which is AdamW.
        amsgrad: divide by the largest mean square so far.

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> w.sum().backward()
    >>> optimizer.step()
    >>> round(w.item(), 4)
    0.9
    """

    _added_settings = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        _check_common(lr, eps, betas, weight_decay)
        if not (
            (isinstance(betas[0], float) and isinstance(betas[1], float))
            or (isinstance(betas[0], Tensor) and isinstance(betas[1], Tensor))
        ):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            if isinstance(beta, Tensor) and foreach and not capturable:
                raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
            if isinstance(beta, Tensor) and beta.numel() != 1:
                raise ValueError(f"Tensor betas[{i}] must be 1-element")
        defaults = {
            "lr": lr,
            "betas": tuple(_scalar(b) for b in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        _check_fused(fused, foreach, differentiable)

    _count_names = ("step",)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        state["exp_avg"] = _zeros_like(param)
        state["exp_avg_sq"] = _zeros_like(param)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = _zeros_like(param)

    def _prepare(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> bool:
        if not state:
            self._init_state(group, param, state)
        return False

    def _run_plan(self, group: dict[str, Any], plan: _fused.Plan, grads: list[Any]) -> None:
        beta1, beta2 = group["betas"]
        amsgrad = bool(group["amsgrad"])
        steps = plan.lists[-1]
        kernel = _C._ops._fused_adamw_ if group["decoupled_weight_decay"] else _C._ops._fused_adam_
        settings = {
            "lr": _scalar(group["lr"]),
            "beta1": _scalar(beta1),
            "beta2": _scalar(beta2),
            "weight_decay": _scalar(group["weight_decay"]),
            "eps": _scalar(group["eps"]),
            "amsgrad": amsgrad,
            "maximize": bool(group["maximize"]),
        }
        _add_to_all(steps, 1)
        try:
            kernel(
                plan.params, grads, plan.lists[0], plan.lists[1], plan.lists[2] if amsgrad else [], steps, **settings
            )
        except (RuntimeError, TypeError):
            _add_to_all(steps, -1)  # nothing was done
            raise

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        lr, weight_decay = _scalar(group["lr"]), group["weight_decay"]
        state["step"] += 1
        step = state["step"].item()
        if weight_decay != 0:
            if group["decoupled_weight_decay"]:
                param.mul_(1 - lr * weight_decay)
            else:
                grad = grad.add(param, alpha=weight_decay)
        p, g, exp_avg, exp_avg_sq = _as_real(param.is_complex(), param, grad, state["exp_avg"], state["exp_avg_sq"])
        exp_avg.lerp_(g, 1 - beta1)
        exp_avg_sq.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        square = exp_avg_sq
        if group["amsgrad"]:
            (square,) = _as_real(param.is_complex(), state["max_exp_avg_sq"])
            square.copy_(rl.maximum(square.clone(), exp_avg_sq))
        denom = (square.sqrt() / (1 - beta2**step) ** 0.5).add(group["eps"])
        p.addcdiv_(exp_avg, denom, value=-lr / (1 - beta1**step))
