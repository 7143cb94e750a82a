"""One kernel call for a whole parameter group.

A plan holds the parameters that have a gradient, their state and the lists that the kernel takes, so that a step only
collects gradients. It is checked on every step against the state dictionaries, which users may change, and made anew
when something differs. Whether state and gradients fit their parameters the kernels check, for all parameters before
they write to the first.
"""

from __future__ import annotations

from typing import Any

from rushlight import _C, Tensor

from .optimizer import TensorwiseOptimizer

_check_lists = _C._ops._optimizer_check
_plan_gradients = _C._plan_gradients


class Plan:
    """The lists of one kernel call: parameters of one dtype and device, and a list for each kind of state."""

    def __init__(self, names: tuple[str, ...], fresh: bool) -> None:
        self.names = names
        self.fresh = fresh  # the state is for the kernel to fill
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
        return _plan_gradients(self.params, self.states, self.names, self.lists)


class GroupPlans:
    """The plans of one parameter group, and what they were made from."""

    def __init__(self, optimizer: FusedOptimizer, group: dict[str, Any], names: tuple[str, ...]) -> None:
        self.group = group
        self.params = group["params"]
        self.count = len(self.params)
        self.state = state = optimizer.state
        self.names = names
        self.without_grad: list[Tensor] = []
        self.keeps = True  # what holds for this step holds for the next one
        plans: dict[Any, Plan] = {}
        for p in self.params:
            if p.grad is None:
                self.without_grad.append(p)
                continue
            own = state[p] if names else {}  # looking would leave an entry
            fresh = bool(names) and optimizer._prepare(group, p, own)
            self.keeps = self.keeps and not fresh
            key = (p.dtype, p.device, fresh)
            if key not in plans:
                plans[key] = Plan(names, fresh)
            plans[key].add(p, own)
        self.plans = list(plans.values())
        self.state_size = len(state)
        self.grads: list[list[Any]] = [[p.grad for p in plan.params] for plan in self.plans]

    def holds(self, group: dict[str, Any], state: Any, names: tuple[str, ...]) -> bool:
        """Takes the gradients of this step; False if the plans must be made anew."""
        params = group["params"]
        if params is not self.params or len(params) != self.count or names != self.names:
            return False
        if state is not self.state or len(state) != self.state_size:
            return False
        for p in self.without_grad:
            if p.grad is not None:
                return False
        found = []
        for plan in self.plans:
            grads = plan.gradients()
            if grads is None:
                return False
            found.append(grads)
        self.grads = found
        return True


class FusedOptimizer(TensorwiseOptimizer):
    """An optimizer that has a kernel for many parameters at once.

    A subclass gives a parameter its state in `_prepare` and calls the kernel in `_run_plan`.
    """

    _has_tensor_form = True  # `_update` can do the same by tensors, for a gradient through the step

    def _prepare(self, group: dict[str, Any], param: Tensor, state: dict[str, Any]) -> bool:
        """Adds what the parameter's state lacks; True if the kernel is to fill it."""
        raise NotImplementedError

    def _run_plan(self, group: dict[str, Any], plan: Plan, grads: list[Any]) -> None:
        raise NotImplementedError

    def _step_groups(self) -> None:
        plans_of = self.__dict__.setdefault("_plans", {})
        chosen = []
        calls = 0
        for group in self.param_groups:
            if self._has_tensor_form and (group["differentiable"] or group.get("foreach")):
                return super()._step_groups()
            names = self._state_names(group) + self._count_names
            plans = plans_of.get(id(group))
            if plans is None or not plans.holds(group, self.state, names):
                # Complex numbers have no kernel.
                if any(not p.is_floating_point() for p in group["params"]):
                    return super()._step_groups()
                try:
                    plans = GroupPlans(self, group, names)
                except KeyError:
                    self._check_state()
                    raise
                if plans.keeps:
                    plans_of[id(group)] = plans
            chosen.append(plans)
            calls += len(plans.plans)
        try:
            if calls > 1:  # all must fit before the first is written
                for plans in chosen:
                    for plan, grads in zip(plans.plans, plans.grads, strict=True):
                        first_count = len(plan.lists) - len(self._count_names)
                        states = [t for values in plan.lists[:first_count] for t in values]
                        counts = [t for values in plan.lists[first_count:] for t in values]
                        _check_lists(plan.params, grads, states, counts)
            for plans in chosen:
                for plan, grads in zip(plans.plans, plans.grads, strict=True):
                    self._run_plan(plans.group, plan, grads)
                    plan.fresh = False
        except (RuntimeError, TypeError):
            for plans in chosen:
                for plan in plans.plans:
                    if plan.fresh:  # was not filled
                        for own in plan.states:
                            for name in plan.names:
                                del own[name]
            if self._any_sparse():  # for which the kernels have no form
                return super()._step_groups()
            self._check_state()  # says the same, of the parameter's place and name
            raise
