"""NAdam."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from . import _fused
from ._adaptive import Adaptive, decayed
from .optimizer import _as_real, _check, _check_common, _new_step, _scalar, _zeros_like

__all__ = ["NAdam"]


class NAdam(Adaptive):
    """Adam with Nesterov's momentum."""

    _kernel = "_fused_nadam_"
    _kernel_settings = ("lr", "eps", "weight_decay", "momentum_decay")
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
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_common(lr, eps, betas, weight_decay)
        _check(0.0 <= momentum_decay, f"Invalid momentum_decay value: {momentum_decay}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    _count_names = ("step", "mu_product")

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _kernel_lists(self, group: dict[str, Any], plan: _fused.Plan) -> list[list[Tensor]]:
        means, squares, steps, products = plan.lists
        return [means, squares, products, steps]

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        state["mu_product"] = rl.ones((), dtype=state["step"].dtype)
        state["exp_avg"] = _zeros_like(param)
        state["exp_avg_sq"] = _zeros_like(param)

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        lr, decay = _scalar(group["lr"]), group["momentum_decay"]
        state["step"] += 1
        step = state["step"].item()
        grad = decayed(group, param, grad)
        p, g, exp_avg, exp_avg_sq = _as_real(param.is_complex(), param, grad, state["exp_avg"], state["exp_avg_sq"])
        mu = beta1 * (1.0 - 0.5 * (0.96 ** (step * decay)))
        mu_next = beta1 * (1.0 - 0.5 * (0.96 ** ((step + 1) * decay)))
        state["mu_product"] *= mu
        exp_avg.lerp_(g, 1 - beta1)
        exp_avg_sq.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        denom = exp_avg_sq.div(1 - beta2**step).sqrt().add(group["eps"])
        if group["differentiable"]:  # gradients flow to the product too
            product = state["mu_product"]
            p.add_((g / denom) * (-lr * (1.0 - mu) / (1.0 - product)))
            p.add_((exp_avg / denom) * (-lr * mu_next / (1.0 - product * mu_next)))
            return
        product = state["mu_product"].item()
        p.addcdiv_(g, denom, value=-lr * (1.0 - mu) / (1.0 - product))
        p.addcdiv_(exp_avg, denom, value=(-lr * mu_next) / (1.0 - product * mu_next))
