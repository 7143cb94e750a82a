"""The optimizers that scale the step of each element by its history: what they share."""

from __future__ import annotations

from typing import Any

from rushlight import _C, Tensor

from . import _fused
from .optimizer import _new_step, _scalar, _zeros_like

_add_to_all = _C._ops._foreach_add_


def decayed(group: dict[str, Any], param: Tensor, grad: Tensor) -> Tensor:
    """The gradient with weight decay; where it is decoupled, the weight is shrunk instead."""
    weight_decay = group["weight_decay"]
    if weight_decay == 0:
        return grad
    if group.get("decoupled_weight_decay", False):
        param.mul_(1 - _scalar(group["lr"]) * weight_decay)
        return grad
    return grad.add(param, alpha=weight_decay)


class Adaptive(_fused.FusedOptimizer):
    """Has a kernel for many parameters at once, `_kernel`, which takes the numbers of `_kernel_settings`: the group's own."""

    _kernel: str
    _kernel_settings: tuple[str, ...] = ("lr", "eps", "weight_decay")
    _has_betas = False

    def _prepare(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> bool:
        if not state:
            self._init_state(group, param, state)
        return False

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        for name in self._state_names(group):
            state[name] = _zeros_like(param)

    def _kernel_lists(self, group: dict[str, Any], plan: _fused.Plan) -> list[list[Tensor]]:
        return list(plan.lists)

    def _kernel_numbers(self, group: dict[str, Any]) -> dict[str, Any]:
        settings = {name: _scalar(group[name]) for name in self._kernel_settings}
        if self._has_betas:
            settings["beta1"], settings["beta2"] = map(_scalar, group["betas"])
        if "decoupled_weight_decay" in group:
            settings["decoupled_weight_decay"] = bool(group["decoupled_weight_decay"])
        return settings

    def _run_plan(self, group: dict[str, Any], plan: _fused.Plan, grads: list[Any]) -> None:
        steps = plan.lists[len(self._state_names(group))]
        settings = self._kernel_numbers(group)
        lists = self._kernel_lists(group, plan)
        _add_to_all(steps, 1)
        try:
            getattr(_C._ops, self._kernel)(plan.params, grads, *lists, maximize=bool(group["maximize"]), **settings)
        except (RuntimeError, TypeError):
            _add_to_all(steps, -1)  # nothing was done
            raise
