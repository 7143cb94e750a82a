"""GradScaler: losses times a factor, so that small gradients of float16 don't vanish."""

from __future__ import annotations

import enum
import inspect
import warnings
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import rushlight as rl

__all__ = ["GradScaler", "OptState"]


def _amp_foreach_non_finite_check_and_unscale_(grads: list, found_inf: rl.Tensor, inv_scale: rl.Tensor) -> None:
    """Multiplies gradients in place by ``inv_scale``; ``found_inf`` becomes 1 where one of them has an infinity or a NaN."""
    with rl.no_grad():
        for g in grads:
            values = g._values() if g.is_sparse else g
            if not bool(values.isfinite().all()):
                found_inf.fill_(1.0)
            values.mul_(inv_scale.to(g.device).reshape(()))


def _amp_update_scale_(
    scale: rl.Tensor,
    growth_tracker: rl.Tensor,
    found_inf: rl.Tensor,
    scale_growth_factor: float,
    scale_backoff_factor: float,
    growth_interval: int,
) -> rl.Tensor:
    """The scale of the next step, in place: smaller after an infinity, larger after ``growth_interval`` steps without."""
    with rl.no_grad():
        if float(found_inf):
            scale.mul_(scale_backoff_factor)
            growth_tracker.zero_()
        elif int(growth_tracker) + 1 == growth_interval:
            grown = scale * scale_growth_factor
            if bool(grown.isfinite().all()):
                scale.copy_(grown)
            growth_tracker.zero_()
        else:
            growth_tracker.add_(1)
    return scale


class OptState(enum.Enum):
    """Where an optimizer stands between two calls of ``update``."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh_state() -> dict[str, Any]:
    """What is kept of an optimizer in an iteration."""
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """Scales losses, unscales gradients before the step, and leaves out steps whose gradients are not finite.

    The factor grows by ``growth_factor`` after ``growth_interval`` good steps and shrinks by ``backoff_factor`` after a bad one.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if device == "cuda" and enabled:
            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            enabled = False
        self._device, self._enabled = device, enabled
        if growth_factor <= 1.0:
            raise ValueError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise ValueError("The backoff factor must be < 1.0.")
        # The scale is a tensor, on the device of what is scaled first. Before that it is a number.
        self._init_scale, self._init_growth_tracker = float(init_scale), 0
        self._scale: rl.Tensor | None = None
        self._growth_tracker: rl.Tensor | None = None
        self._growth_factor, self._backoff_factor, self._growth_interval = (
            growth_factor,
            backoff_factor,
            growth_interval,
        )
        self._per_optimizer_states: defaultdict[int, dict[str, Any]] = defaultdict(_fresh_state)

    def is_enabled(self) -> bool:
        """False: scale and step pass on what they get."""
        return self._enabled

    def _lazy_init_scale_growth_tracker(self, dev: rl.device) -> None:
        self._scale = rl.full((), self._init_scale, dtype=rl.float32, device=dev)
        self._growth_tracker = rl.full((), self._init_growth_tracker, dtype=rl.int32, device=dev)

    def _check_scale_growth_tracker(self, name: str) -> tuple[rl.Tensor, rl.Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use scaler.scale(loss or outputs) "
                "earlier in the iteration."
            )
        return self._scale, self._growth_tracker

    def scale(self, outputs: Any) -> Any:
        """The tensor, or all in a list or tuple, times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, rl.Tensor):
            if self._scale is None:
                self._lazy_init_scale_growth_tracker(outputs.device)
            assert self._scale is not None
            return outputs * self._scale.to(device=outputs.device, non_blocking=True)
        if isinstance(outputs, Iterable):
            kind: Any = type(outputs) if isinstance(outputs, (list, tuple)) else list
            return kind(self.scale(o) for o in outputs)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _state(self, optimizer: Any) -> dict[str, Any]:
        return self._per_optimizer_states[id(optimizer)]

    def _unscale_grads_(
        self, optimizer: Any, inv_scale: rl.Tensor, found_inf: rl.Tensor, allow_fp16: bool
    ) -> dict[rl.device, rl.Tensor]:
        found: dict[rl.device, rl.Tensor] = {}
        with rl.no_grad():
            for p in (p for group in optimizer.param_groups for p in group["params"] if p.grad is not None):
                grad = p.grad
                if not allow_fp16 and grad.dtype is rl.float16:
                    raise ValueError("Attempting to unscale FP16 gradients.")
                if grad.is_sparse and grad.dtype is rl.float16:
                    # Places that occur twice may overflow once they are added up.
                    p.grad = grad = grad.coalesce()
                seen = found.setdefault(grad.device, found_inf.to(grad.device))
                rl._amp_foreach_non_finite_check_and_unscale_([grad], seen, inv_scale)
        return found

    def unscale_(self, optimizer: Any) -> None:
        """Divides the optimizer's gradients by the factor, as step would; to clip them first, for example."""
        if not self._enabled:
            return
        scale, _ = self._check_scale_growth_tracker("unscale_")
        state = self._state(optimizer)
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        inv_scale = scale.double().reciprocal().float()
        found_inf = rl.full((), 0.0, dtype=rl.float32, device=scale.device)
        state["found_inf_per_device"] = self._unscale_grads_(optimizer, inv_scale, found_inf, False)
        state["stage"] = OptState.UNSCALED

    def _check_inf_per_device(self, optimizer: Any) -> dict[rl.device, rl.Tensor]:
        """Looks at the gradients and leaves them as they are."""
        scale, _ = self._check_scale_growth_tracker("_check_inf_per_device")
        one, none = (rl.full((), v, dtype=rl.float32, device=scale.device) for v in (1.0, 0.0))
        found = self._unscale_grads_(optimizer, one, none, True)
        self._state(optimizer)["found_inf_per_device"] = found
        return found

    def _found_inf_per_device(self, optimizer: Any) -> dict[rl.device, rl.Tensor]:
        return self._state(optimizer)["found_inf_per_device"]

    def _maybe_opt_step(self, optimizer: Any, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if any(float(v) for v in optimizer_state["found_inf_per_device"].values()):
            return None
        return optimizer.step(*args, **kwargs)

    def _let_it_unscale(self, optimizer: Any, state: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The step of an optimizer that divides the gradients itself, by `grad_scale`, and looks at `found_inf`."""
        scale, _ = self._check_scale_growth_tracker("step")
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            warnings.warn(
                "GradScaler is going to stop passing itself as a keyword argument to the passed optimizer. In the near future "
                "GradScaler registers `grad_scale: Tensor` and `found_inf: Tensor` to the passed optimizer and let the optimizer "
                "use them directly.",
                FutureWarning,
                stacklevel=3,
            )
            return optimizer.step(*args, **kwargs, grad_scaler=self)
        if state["stage"] is OptState.READY:
            self._check_inf_per_device(optimizer)
        unscaled = state["stage"] is OptState.UNSCALED
        previous = getattr(optimizer, "grad_scale", None)
        optimizer.grad_scale = None if unscaled else (scale if previous is None else scale * previous)
        optimizer.found_inf = sum(state["found_inf_per_device"].values(), rl.zeros((), device=scale.device))
        try:
            return optimizer.step(*args, **kwargs)
        finally:
            del optimizer.grad_scale, optimizer.found_inf

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """optimizer.step(*args, **kwargs) with unscaled gradients; nothing where one is not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        state = self._state(optimizer)
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            result = self._let_it_unscale(optimizer, state, *args, **kwargs)
        else:
            if state["stage"] is OptState.READY:
                self.unscale_(optimizer)
            if not state["found_inf_per_device"]:
                raise AssertionError("No inf checks were recorded for this optimizer.")
            result = self._maybe_opt_step(optimizer, state, *args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale: float | rl.Tensor | None = None) -> None:
        """Adapts the factor after the steps of an iteration, or sets it."""
        if not self._enabled:
            return
        scale, growth_tracker = self._check_scale_growth_tracker("update")
        if new_scale is not None:
            scale.fill_(float(new_scale))
        else:
            found = [v for s in self._per_optimizer_states.values() for v in s["found_inf_per_device"].values()]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            rl._amp_update_scale_(
                scale,
                growth_tracker,
                sum((v.to(scale.device) for v in found[1:]), found[0].to(scale.device)),
                self._growth_factor,
                self._backoff_factor,
                self._growth_interval,
            )
        self._per_optimizer_states.clear()

    def _get_scale_async(self) -> rl.Tensor | None:
        return self._scale

    def get_scale(self) -> float:
        """The factor; 1 while disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else int(self._growth_tracker.item())

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """What load_state_dict takes; empty while disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on from what state_dict gave."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale, self._init_growth_tracker = float(state_dict["scale"]), state_dict["_growth_tracker"]
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(self._init_scale)
            self._growth_tracker.fill_(self._init_growth_tracker)
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after scaler.update()."
                )
            # Numbers, which go to any device.
            state.update(_init_scale=self.get_scale(), _init_growth_tracker=self._get_growth_tracker())
            state.update(_scale=None, _growth_tracker=None)
        return state
