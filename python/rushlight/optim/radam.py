"""RAdam."""

from __future__ import annotations

from typing import Any

from rushlight import Tensor

from ._adaptive import Adaptive, decayed
from .optimizer import _as_real, _check_common, _scalar

__all__ = ["RAdam"]


class RAdam(Adaptive):
    """Adam that starts without the second mean until its variance is known well enough."""

    _kernel = "_fused_radam_"
    _has_betas = True

    _added_settings = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_common(lr, eps, betas, weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        lr = _scalar(group["lr"])
        state["step"] += 1
        step = state["step"].item()
        grad = decayed(group, param, grad)
        p, g, exp_avg, exp_avg_sq = _as_real(param.is_complex(), param, grad, state["exp_avg"], state["exp_avg_sq"])
        exp_avg.lerp_(g, 1 - beta1)
        exp_avg_sq.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        correction2 = 1 - beta2**step
        update = exp_avg / (1 - beta1**step)
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * step * (beta2**step) / correction2
        update = update * lr
        if rho > 5.0:
            rect = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
            update = update * (correction2**0.5 / exp_avg_sq.sqrt().add(group["eps"])) * rect
        p.add_(update, alpha=-1.0)
