"""Muon."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import _C, Tensor

from . import _fused
from .optimizer import _check, _scalar, _zeros_like

__all__ = ["Muon"]


class Muon(_fused.FusedOptimizer):
    """Momentum whose step is made orthogonal: for the matrices of hidden layers; give other parameters to AdamW.

    Args:
        ns_coefficients, ns_steps, eps: of the iteration that makes a matrix orthogonal.
        adjust_lr_fn: how the rate depends on the matrix's size: ``"original"`` (the default) or ``"match_rms_adamw"``.
    Errors: ValueError for a parameter that is no matrix; RuntimeError for complex ones.

    >>> import rushlight as torch
    >>> layer = torch.nn.Linear(4, 4, bias=False)
    >>> optimizer = torch.optim.Muon(layer.parameters(), lr=0.02)
    >>> layer(torch.ones(1, 4)).sum().backward()
    >>> optimizer.step()
    """

    _count_names = ()
    _has_tensor_form = False
    _added_settings: dict[str, Any] = {}

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        _check(0.0 <= lr, f"Learning rate should be >= 0 but is: {lr}")
        _check(0.0 <= momentum, f"momentum should be >= 0 but is: {momentum}")
        _check(0.0 <= weight_decay, f"weight decay should be >= 0 but is: {weight_decay}")
        known = adjust_lr_fn in (None, "original", "match_rms_adamw")
        _check(known, f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",)

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["momentum_buffer"] = _zeros_like(param)

    def _prepare(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> bool:
        if not state:
            self._init_state(group, param, state)
        return False

    def _run_plan(self, group: dict[str, Any], plan: _fused.Plan, grads: list[Any]) -> None:
        _C._ops._fused_muon_(
            plan.params,
            grads,
            plan.lists[0],
            lr=_scalar(group["lr"]),
            weight_decay=group["weight_decay"],
            momentum=group["momentum"],
            nesterov=bool(group["nesterov"]),
            ns_coefficients=group["ns_coefficients"],
            eps=group["eps"],
            ns_steps=group["ns_steps"],
            adjust_lr=group["adjust_lr_fn"] or "original",
        )

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        kind = "complex" if param.is_complex() else rl.typename(param)
        raise RuntimeError(f"Muon does not support {kind} parameters")
