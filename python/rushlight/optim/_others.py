"""The optimizers that scale the step of each element by its history."""

from __future__ import annotations

from typing import Any

import rushlight as rl
from rushlight import _C, Tensor

from . import _fused
from .optimizer import (
    _as_real,
    _check,
    _check_common,
    _check_fused,
    _new_step,
    _scalar,
    _zeros_like,
)

_add_to_all = _C._ops._foreach_add_

__all__ = ["Adadelta", "Adagrad", "Adamax", "NAdam", "RAdam", "RMSprop"]


def _decayed(group: dict[str, Any], param: Tensor, grad: Tensor) -> Tensor:
    """The gradient with weight decay; where it is decoupled, the weight is shrunk instead."""
    weight_decay = group["weight_decay"]
    if weight_decay == 0:
        return grad
    if group.get("decoupled_weight_decay", False):
        param.mul_(1 - _scalar(group["lr"]) * weight_decay)
        return grad
    return grad.add(param, alpha=weight_decay)


class _Adaptive(_fused.FusedOptimizer):
    """Has a kernel for many parameters at once, `_kernel`, which takes the numbers of `_kernel_settings`."""

    _kernel: str
    _kernel_settings: tuple[str, ...] = ()
    _has_betas = False

    def _prepare(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> bool:
        if not state:
            self._init_state(group, param, state)
        return False

    def _kernel_lists(self, group: dict[str, Any], plan: _fused.Plan) -> list[list[Tensor]]:
        return list(plan.lists)

    def _run_plan(self, group: dict[str, Any], plan: _fused.Plan, grads: list[Any]) -> None:
        steps = plan.lists[len(self._state_names(group))]
        settings = {name: _scalar(group[name]) for name in ("lr", "eps", "weight_decay", *self._kernel_settings)}
        if self._has_betas:
            settings["beta1"], settings["beta2"] = map(_scalar, group["betas"])
        if "decoupled_weight_decay" in group:
            settings["decoupled_weight_decay"] = bool(group["decoupled_weight_decay"])
        lists = self._kernel_lists(group, plan)
        _add_to_all(steps, 1)
        try:
            getattr(_C._ops, self._kernel)(plan.params, grads, *lists, maximize=bool(group["maximize"]), **settings)
        except (RuntimeError, TypeError):
            _add_to_all(steps, -1)  # nothing was done
            raise


class RMSprop(_Adaptive):
    """Steps divided by the root of a running mean of the squared gradient.

    Args:
        alpha: the decay of the mean.
        centered: subtract the squared mean of the gradient, so that its variance is used.
    """

    _kernel = "_fused_rmsprop_"
    _kernel_settings = ("alpha", "momentum", "centered")

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

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        state["square_avg"] = _zeros_like(param)
        if group["momentum"] > 0:
            state["momentum_buffer"] = _zeros_like(param)
        if group["centered"]:
            state["grad_avg"] = _zeros_like(param)

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        alpha, lr = group["alpha"], _scalar(group["lr"])
        state["step"] += 1
        grad = _decayed(group, param, grad)
        is_complex = param.is_complex()
        p, g, square_avg = _as_real(is_complex, param, grad, state["square_avg"])
        square_avg.mul_(alpha).addcmul_(g, g, value=1 - alpha)
        if group["centered"]:
            (grad_avg,) = _as_real(is_complex, state["grad_avg"])
            grad_avg.lerp_(g, 1 - alpha)
            avg = square_avg.addcmul(grad_avg, grad_avg, value=-1).sqrt_()
        else:
            avg = square_avg.sqrt()
        avg = avg.add_(group["eps"])
        if group["momentum"] > 0:
            (buf,) = _as_real(is_complex, state["momentum_buffer"])
            buf.mul_(group["momentum"]).addcdiv_(g, avg)
            p.add_(buf, alpha=-lr)
        else:
            p.addcdiv_(g, avg, value=-lr)


class Adagrad(_Adaptive):
    """Steps divided by the root of the sum of all squared gradients."""

    _kernel = "_fused_adagrad_"
    _kernel_settings = ("lr_decay",)

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
        grad = _decayed(group, param, grad)
        lr = _scalar(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        p, g, total = _as_real(param.is_complex(), param, grad, state["sum"])
        total.addcmul_(g, g, value=1)
        p.addcdiv_(g, total.sqrt().add_(group["eps"]), value=-lr)


class Adadelta(_Adaptive):
    """Steps scaled by the ratio of running means of squared updates and squared gradients."""

    _kernel = "_fused_adadelta_"
    _kernel_settings = ("rho",)

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

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        state["square_avg"] = _zeros_like(param)
        state["acc_delta"] = _zeros_like(param)

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        state["step"] += 1
        grad = _decayed(group, param, grad)
        p, g, square_avg, acc_delta = _as_real(param.is_complex(), param, grad, state["square_avg"], state["acc_delta"])
        square_avg.mul_(rho).addcmul_(g, g, value=1 - rho)
        std = square_avg.add(eps).sqrt_()
        delta = acc_delta.add(eps).sqrt_().div_(std).mul_(g)
        acc_delta.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-_scalar(group["lr"]))


class Adamax(_Adaptive):
    """Adam with the largest gradient, decayed, in the place of the mean square."""

    _kernel = "_fused_adamax_"
    _has_betas = True

    _added_settings = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        _check_common(lr, eps, betas, weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        state["exp_avg"] = _zeros_like(param)
        state["exp_inf"] = _zeros_like(param)

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        state["step"] += 1
        grad = _decayed(group, param, grad)
        p, g, exp_avg, exp_inf = _as_real(param.is_complex(), param, grad, state["exp_avg"], state["exp_inf"])
        exp_avg.lerp_(g, 1 - beta1)
        exp_inf.copy_(rl.maximum(exp_inf * beta2, g.abs().add_(group["eps"])))
        lr = _scalar(group["lr"]) / (1 - beta1 ** state["step"].item())
        p.addcdiv_(exp_avg, exp_inf, value=-lr)


class NAdam(_Adaptive):
    """Adam with Nesterov's momentum."""

    _kernel = "_fused_nadam_"
    _kernel_settings = ("momentum_decay",)
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
        grad = _decayed(group, param, grad)
        p, g, exp_avg, exp_avg_sq = _as_real(param.is_complex(), param, grad, state["exp_avg"], state["exp_avg_sq"])
        mu = beta1 * (1.0 - 0.5 * (0.96 ** (step * decay)))
        mu_next = beta1 * (1.0 - 0.5 * (0.96 ** ((step + 1) * decay)))
        state["mu_product"] *= mu
        product = state["mu_product"].item()
        exp_avg.lerp_(g, 1 - beta1)
        exp_avg_sq.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        denom = exp_avg_sq.div(1 - beta2**step).sqrt().add_(group["eps"])
        p.addcdiv_(g, denom, value=-lr * (1.0 - mu) / (1.0 - product))
        p.addcdiv_(exp_avg, denom, value=(-lr * mu_next) / (1.0 - product * mu_next))


class RAdam(_Adaptive):
    """Adam that starts without the second mean until its variance is known well enough."""

    _kernel = "_fused_radam_"
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
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_common(lr, eps, betas, weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _init_state(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> None:
        state["step"] = _new_step()
        state["exp_avg"] = _zeros_like(param)
        state["exp_avg_sq"] = _zeros_like(param)

    def _update(self, group: dict[str, Any], param: Tensor, grad: Tensor, state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        lr = _scalar(group["lr"])
        state["step"] += 1
        step = state["step"].item()
        grad = _decayed(group, param, grad)
        p, g, exp_avg, exp_avg_sq = _as_real(param.is_complex(), param, grad, state["exp_avg"], state["exp_avg_sq"])
        exp_avg.lerp_(g, 1 - beta1)
        exp_avg_sq.mul_(beta2).addcmul_(g, g, value=1 - beta2)
        correction2 = 1 - beta2**step
        update = exp_avg / (1 - beta1**step)
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * step * (beta2**step) / correction2
        update = update * lr
        if rho > 5.0:
            rect = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
            update = update * (correction2**0.5 / exp_avg_sq.sqrt().add_(group["eps"])) * rect
        p.add_(update, alpha=-1.0)
