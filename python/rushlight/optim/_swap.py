"""An optimizer with other parameters and state for a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rushlight import Tensor

from .optimizer import Optimizer

__all__ = ["swap_in_optimizer_params_and_state"]


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: dict[str, Tensor], swapin_optim_state: dict[str, Any]
) -> Iterator[None]:
    """Inside of the ``with``, the optimizer has these parameters, in the order of its own, and this state.

    Args:
        swapin_optim_state: as ``state_dict()`` gives it; its tensors change in place, nothing else is written to it.

    >>> import rushlight as torch
    >>> w, other = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    >>> optimizer = torch.optim.SGD([w], lr=1.0)
    >>> other.grad = torch.ones(2)
    >>> with torch.optim.swap_in_optimizer_params_and_state(optimizer, {"w": other}, optimizer.state_dict()):
    ...     optimizer.step()
    >>> w.tolist(), other.tolist()
    ([1.0, 1.0], [0.0, 0.0])
    """
    given = list(swapin_parameters.values())
    own_count = sum(len(group["params"]) for group in optimizer.param_groups)
    if len(given) != own_count:
        raise ValueError(f"swapin_parameters has {len(given)} tensors, but the optimizer has {own_count} parameters")
    packed = swapin_optim_state["param_groups"]
    if [len(g["params"]) for g in packed] != [len(g["params"]) for g in optimizer.param_groups]:
        raise ValueError("the parameter groups of swapin_optim_state are not those of the optimizer")
    by_number = dict(zip((n for group in packed for n in group["params"]), given, strict=True))
    groups = [{**group, "params": [by_number[n] for n in group["params"]]} for group in packed]
    state: defaultdict[Any, Any] = defaultdict(dict)
    for key, value in swapin_optim_state["state"].items():
        state[by_number.get(key, key)] = dict(value) if isinstance(value, dict) else value
    held = optimizer.param_groups, optimizer.state
    optimizer.param_groups, optimizer.state = groups, state
    try:
        yield
    finally:
        optimizer.param_groups, optimizer.state = held
