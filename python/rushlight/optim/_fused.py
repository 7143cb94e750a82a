"""One kernel call for a whole parameter group.

A plan holds the parameters that have a gradient, their state and the lists that the kernel takes, so that a step only
collects gradients. It is checked on every step against the state dictionaries, which users may change, and made anew
when something differs.
"""

from __future__ import annotations

from typing import Any

from rushlight import _C, Tensor


def kernel(name: str) -> Any:
    """The multi-tensor kernel, or None if this build has none."""
    return getattr(_C._ops, name, None)


class Plan:
    """The lists of one kernel call: parameters of one dtype and device, and a list for each kind of state."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.params: list[Tensor] = []
        self.states: list[dict[str, Any]] = []
        self.lists: tuple[list[Tensor], ...] = tuple([] for _ in names)

    def add(self, param: Tensor, state: dict[str, Any]) -> None:
        self.params.append(param)
        self.states.append(state)
        for name, values in zip(self.names, self.lists, strict=True):
            values.append(state[name])

    def gradients(self) -> list[Tensor] | None:
        """The gradients in the order of the parameters, or None if the plan no longer holds."""
        for name, values in zip(self.names, self.lists, strict=True):
            for state, value in zip(self.states, values, strict=True):
                if state.get(name) is not value:
                    return None
        grads = []
        for p in self.params:
            grad = p.grad
            if grad is None:
                return None
            grads.append(grad)
        return grads


class GroupPlans:
    """The plans of one parameter group, and what they were made from."""

    def __init__(self, group: dict[str, Any], state: Any, names: tuple[str, ...], init_state: Any) -> None:
        self.params = group["params"]
        self.count = len(self.params)
        self.state = state
        self.names = names
        self.without_grad: list[Tensor] = []
        self.fits = True
        plans: dict[Any, Plan] = {}
        for p in self.params:
            grad = p.grad
            if grad is None:
                self.without_grad.append(p)
                continue
            own = state[p] if names else {}  # looking would leave an entry
            if any(name not in own for name in names):
                init_state(p, own)
            if not p.is_floating_point() or grad.dtype != p.dtype:
                self.fits = False
            key = (p.dtype, p.device)
            if key not in plans:
                plans[key] = Plan(names)
            plans[key].add(p, own)
        self.plans = list(plans.values())
        self.state_size = len(state)

    def gradients(self, group: dict[str, Any], state: Any, names: tuple[str, ...]) -> list[list[Tensor]] | None:
        """The gradients of each plan, or None if the plans must be made anew."""
        params = group["params"]
        if params is not self.params or len(params) != self.count or names != self.names:
            return None
        if state is not self.state or len(state) != self.state_size:
            return None
        for p in self.without_grad:
            if p.grad is not None:
                return None
        found = []
        for plan in self.plans:
            grads = plan.gradients()
            if grads is None:
                return None
            found.append(grads)
        return found
