"""ASGD."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from ._adaptive import Adaptive, decayed
from .optimizer import _as_real, _check_common, _new_step, _scalar, _zeros_like

__all__ = ["ASGD"]


class ASGD(Adaptive):
    """Stochastic gradient descent that keeps the average of the parameters, ``ax`` in the state.

    Args:
        lambd: how much the parameters shrink with every step.
        alpha: the power by which the steps become shorter.
        t0: the step from which on the average is taken; until then it is the parameter itself.
    """

    _kernel = "_fused_asgd_"
    _kernel_settings = ("lr", "lambd", "t0", "alpha", "weight_decay")
    _count_names = ("step", "eta", "mu")
    _added_settings = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        _check_common(lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for own in self.state.values():  # plain numbers in old checkpoints
            for name in ("eta", "mu"):
                if name in own and not isinstance(own[name], Tensor):
                    own[name] = rl.tensor(float(own[name]), dtype=rl.float32)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("ax",)

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        state["eta"] = rl.tensor(_scalar(group["lr"]), dtype=state["step"].dtype)
        state["mu"] = rl.ones((), dtype=state["step"].dtype)
        state["ax"] = _zeros_like(param)

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        lambd, lr = group["lambd"], _scalar(group["lr"])
        state["step"] += 1
        step, eta, mu = state["step"].item(), state["eta"].item(), state["mu"].item()
        grad = decayed(group, param, grad)
        p, g, average = _as_real(param.is_complex(), param, grad, state["ax"])
        p.mul_(1 - lambd * eta).add_(g, alpha=-eta)
        if mu == 1:
            average.copy_(p)
        else:
            average.add_((p - average) * mu)
        state["eta"].fill_(lr / (1 + lambd * lr * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))
