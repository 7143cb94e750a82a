"""Adafactor."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import _C, Tensor

from .optimizer import TensorwiseOptimizer, _check, _new_step, _scalar, _zeros_like

__all__ = ["Adafactor"]

_add_to_all = _C._ops._foreach_add_


class Adafactor(TensorwiseOptimizer):
    """Adam in little memory: of a matrix of mean squares only the means of rows and columns are kept.

    Args:
        lr: the rate of the weight decay, and the largest step in relation to the parameter.
        beta2_decay: the power of the step's number by which new gradients weigh less.
        eps: added to denominators (None: the dtype's own), and the smallest size that a parameter is taken to have.
        d: steps larger than this times the parameter's rate are scaled down.

    >>> import rushlight as torch
    >>> layer = torch.nn.Linear(4, 4)
    >>> optimizer = torch.optim.Adafactor(layer.parameters())
    >>> layer(torch.ones(1, 4)).sum().backward()
    >>> optimizer.step()
    >>> optimizer.state[layer.weight]["row_var"].shape
    torch.Size([4, 1])
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        _check(0.0 <= lr, f"Learning rate should be >= 0 but is: {lr}")
        _check(0.0 >= beta2_decay, f"beta2_decay should be <= 0 but is: {beta2_decay}")
        _check(eps[0] is None or 0.0 <= eps[0], f"epsilon1 should be >= 0 but is: {eps[0]}")
        _check(0.0 <= eps[1], f"epsilon2 should be >= 0 but is: {eps[1]}")
        _check(1.0 <= d, f"Clipping threshold d should be >= 1 but is: {d}")
        _check(0.0 <= weight_decay, f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    _added_settings = {"foreach": None, "maximize": False}

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        if param.dim() > 1:
            *outer, rows, columns = param.shape
            state["row_var"] = param.new_zeros((*outer, rows, 1))
            state["col_var"] = param.new_zeros((*outer, 1, columns))
        else:
            state["variance"] = _zeros_like(param)

    def _step_groups(self) -> None:
        calls = []
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            if any(p.is_complex() for p in params):
                raise RuntimeError("Adafactor does not support complex parameters")
            for p in params:
                if not self.state[p]:
                    self._init_state(group, p, self.state[p])
            calls.append((group, params))
        for group, params in calls:
            self._step_params(group, params)

    def _step_params(self, group: dict[str, Any], params: list[Tensor]) -> None:
        def states(name: str, *, matrices: bool) -> list[Any]:
            return [self.state[p].get(name) for p in params if (p.dim() > 1) == matrices]

        steps = [self.state[p]["step"] for p in params]
        rows, columns = states("row_var", matrices=True), states("col_var", matrices=True)
        _add_to_all(steps, 1)
        try:
            _C._ops._fused_adafactor_(
                params,
                [p.grad for p in params],
                rows,
                columns,
                states("variance", matrices=False),
                steps,
                lr=_scalar(group["lr"]),
                beta2_decay=group["beta2_decay"],
                eps1=group["eps"][0],
                eps2=group["eps"][1],
                d=group["d"],
                weight_decay=group["weight_decay"],
                maximize=bool(group["maximize"]),
            )
        except (RuntimeError, TypeError):
            with rl.no_grad():
                _add_to_all(steps, -1)  # nothing was done
            raise
