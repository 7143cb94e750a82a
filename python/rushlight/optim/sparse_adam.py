"""Adam for sparse gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import Tensor

from .optimizer import Optimizer, _check, _scalar

__all__ = ["SparseAdam"]


def _at(indices: Tensor, values: Tensor, like: Tensor) -> Tensor:
    return rl.sparse_coo_tensor(indices, values, like.shape, is_coalesced=True)


class SparseAdam(Optimizer):
    """Adam that moves only the elements of which the sparse gradient has values, and only their moments.

    Args:
        lr: of the step; it must be positive or 0.
        betas: how much the running means of the gradient and of its square keep.
        eps: added to the root.
        maximize: go up instead of down.
    RuntimeError for dense gradients: those are for ``Adam``.

    >>> import rushlight as torch
    >>> table = torch.nn.Embedding(3, 1, sparse=True)
    >>> optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    >>> before = table.weight.detach().clone()
    >>> table(torch.tensor([2])).sum().backward()
    >>> optimizer.step()
    >>> (before - table.weight.detach()).round(decimals=4).flatten()
    tensor([0.0000, 0.0000, 0.1000])
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        _check(_scalar(lr) > 0.0, f"Invalid learning rate: {lr}")
        _check(eps > 0.0, f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            _check(0.0 <= beta < 1.0, f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        for wrong, what in (
            (
                lambda p: p.layout is not rl.strided,
                "Sparse params at indices {}: SparseAdam requires dense parameter tensors",
            ),
            (lambda p: p.is_complex(), "Complex params at indices {}: SparseAdam does not support complex parameters"),
        ):
            groups = [group["params"] for group in self.param_groups]
            found = [[i, j] for i, params in enumerate(groups) for j, p in enumerate(params) if wrong(p)]
            _check(not found, what.format(found))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; ``closure`` computes the loss anew, and its value is returned."""
        loss = None
        with rl.no_grad():
            if closure is not None:
                with rl.enable_grad():
                    loss = closure()
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None and not p.grad.is_sparse:
                        raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")
                for p in group["params"]:
                    if p.grad is not None:
                        self._step_one(group, p, p.grad.coalesce())
        return loss

    def _step_one(self, group: dict[str, Any], p: Tensor, grad: Tensor) -> None:
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["exp_avg"] = rl.zeros_like(p, memory_format=rl.preserve_format)
            state["exp_avg_sq"] = rl.zeros_like(p, memory_format=rl.preserve_format)
        state["step"] += 1
        indices, values = grad.indices(), grad.values()
        if values.numel() == 0:
            return
        if group["maximize"]:
            values = -values
        beta1, beta2 = group["betas"]
        mean, square = (state[name].sparse_mask(grad).values() for name in ("exp_avg", "exp_avg_sq"))
        # What the moments gain at these places; elsewhere they stay.
        mean_gain = (values - mean).mul_(1 - beta1)
        square_gain = values.pow(2).sub_(square).mul_(1 - beta2)
        state["exp_avg"].add_(_at(indices, mean_gain, p))
        state["exp_avg_sq"].add_(_at(indices, square_gain, p))
        step = state["step"]
        size = _scalar(group["lr"]) * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        root = square_gain.add_(square).sqrt_().add_(group["eps"])
        p.add_(_at(indices, mean_gain.add_(mean).div_(root).mul_(-size), p))
