"""Modules as functions of their parameters."""

from __future__ import annotations

from typing import Any

import rushlight as rl


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with the given tensors, by their names, in place of its parameters and buffers."""
    given: dict[str, Any] = {}
    dicts = (
        parameter_and_buffer_dicts
        if isinstance(parameter_and_buffer_dicts, (tuple, list))
        else (parameter_and_buffer_dicts,)
    )
    for d in dicts:
        for name, value in d.items():
            if name in given:
                raise ValueError(f"{name} appears in multiple dictionaries; behavior of functional call is ambiguous")
            given[name] = value
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    own = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
    unexpected = [name for name in given if name not in own]
    if unexpected and strict:
        raise RuntimeError(f"Unexpected key(s): {', '.join(unexpected)}.")
    if strict and set(own) - set(given):
        raise RuntimeError(f"Missing key(s): {', '.join(sorted(set(own) - set(given)))}.")
    if tie_weights:
        by_tensor: dict[int, list[str]] = {}
        for name, value in own.items():
            by_tensor.setdefault(id(value), []).append(name)
        for names in by_tensor.values():
            present = [n for n in names if n in given]
            if present:
                for n in names:
                    given.setdefault(n, given[present[0]])
    was: list[tuple[dict, str, Any]] = []
    try:
        for name, value in given.items():
            if name not in own:
                continue
            *path, last = name.split(".")
            owner = module
            for part in path:
                owner = getattr(owner, part)
            place = owner._parameters if last in owner._parameters else owner._buffers
            was.append((place, last, place[last]))
            place[last] = value
        return module(*args, **(kwargs or {}))
    finally:
        for place, last, value in reversed(was):
            place[last] = value


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of modules of one kind, stacked, by name: for vmap over functional_call."""
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    for name, first in parameters[0].items():
        if len({p[name].requires_grad for p in parameters}) > 1:
            raise RuntimeError(
                f"Expected {name} from each model to have the same .requires_grad. Hint: the first one's is {first.requires_grad}; "
                "set it alike with module.requires_grad_(...)"
            )
    stacked = {
        name: rl.stack([p[name] for p in parameters]).detach().requires_grad_(parameters[0][name].requires_grad)
        for name in parameters[0]
    }
    return stacked, {name: rl.stack([b[name] for b in buffers]) for name in buffers[0]}
