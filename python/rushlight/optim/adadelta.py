"""Adadelta."""

from __future__ import annotations

from typing import Any

from rushlight import Tensor

from ._adaptive import Adaptive, decayed
from .optimizer import _as_real, _check, _check_common, _scalar

__all__ = ["Adadelta"]


class Adadelta(Adaptive):
    """Steps scaled by the ratio of running means of squared updates and squared gradients."""

    _kernel = "_fused_adadelta_"
    _kernel_settings = ("lr", "eps", "weight_decay", "rho")

    _added_settings = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_common(lr)
        _check(0.0 <= rho <= 1.0, f"Invalid rho value: {rho}")
        _check_common(lr, eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        state["step"] += 1
        grad = decayed(group, param, grad)
        p, g, square_avg, acc_delta = _as_real(param.is_complex(), param, grad, state["square_avg"], state["acc_delta"])
        square_avg.mul_(rho).addcmul_(g, g, value=1 - rho)
        # What a gradient needs is not written to: see `differentiable`.
        std = square_avg.add(eps).sqrt()
        delta = acc_delta.add(eps).sqrt().div(std).mul(g)
        acc_delta.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-_scalar(group["lr"]))
