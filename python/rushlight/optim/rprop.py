"""Rprop."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from ._adaptive import Adaptive
from .optimizer import _as_real, _check, _check_common, _new_step, _scalar, _zeros_like

__all__ = ["Rprop"]


class Rprop(Adaptive):
    """Steps whose length depends on the signs of the gradient only: longer while it stays, shorter when it changes.

    Args:
        etas: the factors of the length where the sign changed and where it stayed.
        step_sizes: the shortest and the longest step.
    """

    _kernel = "_fused_rprop_"
    _kernel_settings = ()
    _added_settings = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_common(lr)
        _check(0.0 < etas[0] < 1.0 < etas[1], f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("prev", "step_size")

    def _kernel_numbers(self, group: dict[str, Any]) -> dict[str, Any]:
        (slower, faster), (smallest, largest) = group["etas"], group["step_sizes"]
        return {"etaminus": slower, "etaplus": faster, "step_size_min": smallest, "step_size_max": largest}

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        lr = _scalar(group["lr"])
        state["step"] = _new_step()
        state["prev"] = _zeros_like(param)
        state["step_size"] = rl.full_like(param, complex(lr, lr) if param.is_complex() else lr)

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        (slower, faster), (smallest, largest) = group["etas"], group["step_sizes"]
        state["step"] += 1
        p, g, prev, size = _as_real(param.is_complex(), param, grad, state["prev"], state["step_size"])
        sign = (g * prev.clone()).sign()  # prev is written to below
        factor = rl.where(sign > 0, faster, rl.where(sign < 0, slower, sign + 1))
        size.mul_(factor).clamp_(smallest, largest)
        g = rl.where(sign < 0, 0.0, g)
        p.addcmul_(g.sign(), size, value=-1)
        prev.copy_(g)
