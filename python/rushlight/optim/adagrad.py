"""Adagrad."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import Tensor

from ._adaptive import Adaptive, decayed
from .optimizer import _as_real, _check, _check_common, _check_fused, _new_step, _scalar

__all__ = ["Adagrad"]


class Adagrad(Adaptive):
    """Steps divided by the root of the sum of all squared gradients."""

    _kernel = "_fused_adagrad_"
    _takes_sparse = True
    # PyTorch before 1.3 had a fixed eps.
    _added_settings = {"eps": 1e-10, "foreach": None, "maximize": False, "differentiable": False, "fused": None}
    _kernel_settings = ("lr", "eps", "weight_decay", "lr_decay")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        _check_common(lr)
        _check(0.0 <= lr_decay, f"Invalid lr_decay value: {lr_decay}")
        _check(0.0 <= weight_decay, f"Invalid weight_decay value: {weight_decay}")
        _check(
            0.0 <= initial_accumulator_value,
            f"Invalid initial_accumulator_value value: {initial_accumulator_value}",
        )
        _check(0.0 <= eps, f"Invalid epsilon value: {eps}")
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        _check_fused(fused, foreach, differentiable)
        # The sums exist from the start, as in PyTorch: a state dict saved before the first step has them.
        for group in self.param_groups:
            for p in group["params"]:
                self._init_state(group, p, self.state[p])

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        start = group["initial_accumulator_value"]
        value = complex(start, start) if param.is_complex() else start
        state["step"] = _new_step()
        state["sum"] = rl.full_like(param, value, memory_format=rl.preserve_format)

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        state["step"] += 1
        if grad.is_sparse:
            return self._update_sparse(group, param, grad.coalesce(), state)
        grad = decayed(group, param, grad)
        lr = _scalar(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        p, g, total = _as_real(param.is_complex(), param, grad, state["sum"])
        total.addcmul_(g, g, value=1)
        p.addcdiv_(g, total.sqrt().add(group["eps"]), value=-lr)

    def _update_sparse(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        """Only what the gradient has values of."""
        if group["weight_decay"] != 0:
            raise RuntimeError("weight_decay option is not compatible with sparse gradients")
        lr = _scalar(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        state["sum"].add_(grad * grad)
        root = state["sum"].sparse_mask(grad).values().sqrt_().add_(group["eps"])
        param.add_(rl.sparse_coo_tensor(grad.indices(), grad.values() / root, grad.shape, is_coalesced=True), alpha=-lr)
