"""RMSprop."""

from __future__ import annotations

from typing import Any

from rushlight import Tensor

from . import _fused
from ._adaptive import Adaptive, decayed
from .optimizer import _as_real, _check, _check_common, _scalar

__all__ = ["RMSprop"]


class RMSprop(Adaptive):
    """Steps divided by the root of a running mean of the squared gradient.

    Args:
        alpha: the decay of the mean.
        centered: subtract the squared mean of the gradient, so that its variance is used.
    """

    _kernel = "_fused_rmsprop_"
    _kernel_settings = ("lr", "eps", "weight_decay", "alpha", "momentum", "centered")

    _added_settings = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_common(lr, eps)
        _check(0.0 <= momentum, f"Invalid momentum value: {momentum}")
        _check(0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        _check(0.0 <= alpha, f"Invalid alpha value: {alpha}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        names: tuple[str, ...] = ("square_avg",)
        if group["momentum"] > 0:
            names = (*names, "momentum_buffer")
        return (*names, "grad_avg") if group["centered"] else names

    def _kernel_lists(self, group: dict[str, Any], plan: _fused.Plan) -> list[list[Tensor]]:
        found = dict(zip(plan.names, plan.lists, strict=True))
        return [found.get(name, []) for name in ("square_avg", "momentum_buffer", "grad_avg", "step")]

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        alpha, lr = group["alpha"], _scalar(group["lr"])
        state["step"] += 1
        grad = decayed(group, param, grad)
        is_complex = param.is_complex()
        p, g, square_avg = _as_real(is_complex, param, grad, state["square_avg"])
        square_avg.mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if group["centered"]:
            (grad_avg,) = _as_real(is_complex, state["grad_avg"])
            grad_avg.lerp_(g, 1 - alpha)
            avg = square_avg.addcmul(grad_avg, grad_avg, value=-1).sqrt()
        else:
            avg = square_avg.sqrt()
        avg = avg.add(group["eps"])
        if group["momentum"] > 0:
            (buf,) = _as_real(is_complex, state["momentum_buffer"])
            buf.mul_(group["momentum"]).addcdiv_(g, avg)
            p.add_(buf, alpha=-lr)
        else:
            p.addcdiv_(g, avg, value=-lr)
