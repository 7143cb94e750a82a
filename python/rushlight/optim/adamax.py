"""Adamax."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from ._adaptive import Adaptive, decayed
from .optimizer import _as_real, _check_common, _scalar

__all__ = ["Adamax"]


class Adamax(Adaptive):
    """Adam with the largest gradient, decayed, in the place of the mean square."""

    _kernel = "_fused_adamax_"
    _has_betas = True

    _added_settings = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        _check_common(lr, eps, betas, weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        state["step"] += 1
        grad = decayed(group, param, grad)
        p, g, exp_avg, exp_inf = _as_real(param.is_complex(), param, grad, state["exp_avg"], state["exp_inf"])
        exp_avg.lerp_(g, 1 - beta1)
        exp_inf.copy_(rl.maximum(exp_inf * beta2, g.abs().add_(group["eps"])))
        lr = _scalar(group["lr"]) / (1 - beta1 ** state["step"].item())
        p.addcdiv_(exp_avg, exp_inf, value=-lr)
