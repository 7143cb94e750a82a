"""Runs passes in an order that keeps to constraints."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

from ....nn import Module
from ...graph_module import GraphModule
from .pass_base import PassResult

__all__ = ["PassManager", "pass_result_wrapper", "this_before_that_pass_constraint"]


def _name(fn) -> str:
    return fn.__name__ if inspect.isfunction(fn) else type(fn).__name__


def pass_result_wrapper(fn: Callable) -> Callable:
    """A pass of a function that changes a module in place, or returns one."""

    @functools.wraps(fn)
    def wrapped(gm):
        result = fn(gm)
        return result if isinstance(result, PassResult) else PassResult(gm if result is None else result, True)

    wrapped.__name__ = _name(fn)
    return wrapped


def this_before_that_pass_constraint(this: Callable, that: Callable) -> Callable[[Callable, Callable], bool]:
    """A constraint: whether a may come before b."""
    return lambda a, b: a != that or b != this


def _topological_sort_passes(passes: list[Callable], constraints: list[Callable]) -> list[Callable]:
    """The passes in an order that keeps to the constraints."""
    if not constraints:
        return passes
    waiting, order = list(dict.fromkeys(passes)), []
    while waiting:
        first = next((p for p in waiting if all(c(p, q) for c in constraints for q in waiting if q is not p)), None)
        if first is None:
            raise RuntimeError(f"Circular dependency detected within the following passes: {waiting}")
        waiting.remove(first)
        order.append(first)
    return order


class PassManager:
    """Runs passes over a module, `steps` times or until none changes anything.

    Args: passes: functions of a module that return a PassResult; constraints: functions of two passes, whether the first may
        come before the second. run_checks_after_each_pass: whether `add_checks`' function is called after each.
    """

    def __init__(
        self, passes=None, constraints=None, steps=None, run_checks_after_each_pass=False, suppress_check_failures=False
    ):  # fmt: skip
        self.passes, self.constraints = list(passes or []), list(constraints or [])
        self.steps = steps or 1
        self.run_checks_after_each_pass, self.suppress_check_failures = (
            run_checks_after_each_pass,
            suppress_check_failures,
        )
        self._validated = False

    def add_pass(self, _pass: Callable) -> None:
        """Adds a pass at the end."""
        self.passes.append(_pass)
        self._validated = False

    def add_constraint(self, constraint: Callable) -> None:
        """Adds a constraint."""
        self.constraints.append(constraint)
        self._validated = False

    def validate_constraints(self) -> None:
        """RuntimeError where the order breaks a constraint."""
        for constraint in [] if self._validated else self.constraints:
            for i, a in enumerate(self.passes):
                for j, b in enumerate(self.passes[i + 1 :], i + 1):
                    if not constraint(a, b):
                        raise RuntimeError(
                            f"pass schedule constraint violated. Expected {a} before {b} but found {a} at index {i} and {b} "
                            f"at index {j} in pass list."
                        )
        self._validated = True

    def solve_constraints(self) -> None:
        """Orders the passes. RuntimeError where the constraints run in a circle."""
        self.passes = _topological_sort_passes(self.passes, self.constraints)
        self._validated = True

    def add_checks(self, check: Callable[[Module], None]) -> None:
        """Has a function of the module check it before the passes, and after each if that was asked for."""
        if len(inspect.signature(check).parameters) != 1:
            raise TypeError("PassManager check function should only take in one variable, a module")
        self.check = check  # type: ignore[method-assign]

    def check(self, module: Module) -> None:
        """What add_checks sets."""

    def __call__(self, module: Module) -> PassResult:
        if not self._validated:
            self.solve_constraints()
        self.check(module)
        changed = False
        for _ in range(self.steps):
            changed_now = False
            for i, fn in enumerate(self.passes):
                try:
                    result = fn(module)
                    if not isinstance(result, PassResult) and not hasattr(result, "graph_module"):
                        raise TypeError(
                            f"The result of the pass {_name(fn)} should be type PassResult. Please wrap it with pass_result_wrapper()"
                        )
                    module, changed_now = result.graph_module, changed_now or result.modified
                    if isinstance(module, GraphModule):
                        module.recompile()
                    if self.run_checks_after_each_pass:
                        self.check(module)
                except Exception as e:
                    before = [_name(p) for p in self.passes[:i]]
                    raise Exception(
                        f"An error occurred when running the '{_name(fn)}' pass after the following passes: {before}"
                    ) from e
            changed = changed or changed_now
            if not changed_now:
                break
        return PassResult(module, changed)
