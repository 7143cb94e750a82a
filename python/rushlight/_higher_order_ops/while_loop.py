"""while_loop: a function again and again, while another one says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._C import Tensor

__all__ = ["while_loop"]


def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: Any, additional_inputs: Any = ()) -> Any:
    """What body_fn makes of the inputs, a tuple, repeated while cond_fn of them is true; additional_inputs follow unchanged.

    >>> while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (torch.tensor(0), torch.ones(1)))
    (tensor(3), tensor([8.]))
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise RuntimeError("Expect cond_fn and body_fn to be callable.")
    if not isinstance(carried_inputs, (tuple, list)):
        raise RuntimeError(f"Expect carried_inputs to be a tuple or a list, got {type(carried_inputs)}.")
    carried = tuple(carried_inputs)
    while True:
        again = cond_fn(*carried, *additional_inputs)
        if isinstance(again, Tensor) and again.numel() != 1:
            raise RuntimeError(f"cond_fn must return a bool or a tensor of one element, got shape {tuple(again.shape)}")
        if not again:
            return carried
        made = body_fn(*carried, *additional_inputs)
        if not isinstance(made, (tuple, list)) or len(made) != len(carried):
            raise RuntimeError(
                f"body_fn should return as many elements as carried_inputs has, {len(carried)}, got {made}"
            )
        carried = tuple(made)


while_loop_op = while_loop
