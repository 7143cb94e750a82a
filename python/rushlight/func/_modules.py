"""Modules as functions of their parameters."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..nn.utils._named_member_accessor import _MISSING, exchange


def _owner(module: Any, path: list[str]) -> Any:
    for part in path:
        if not hasattr(module, part):
            raise AttributeError(f"{type(module).__name__} has no attribute `{part}`")
        module = getattr(module, part)
        if not isinstance(module, rl.nn.Module):
            raise TypeError(f"submodule `{'.'.join(path)}`: {module} is not an instance of torch.nn.Module")
    return module


def _with_tied(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What is given, for each name of its tensor."""
    by_tensor: dict[int, list[str]] = {}
    for name, value in own.items():
        by_tensor.setdefault(id(value), []).append(name)
    tied = dict(given)
    for names in by_tensor.values():
        present = [n for n in names if n in given] if len(names) > 1 else []
        if not present:
            continue
        if any(given[n] is not given[present[0]] for n in present):
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(present)}, which are tied. Consider using "
                "tie_weights=False"
            )
        tied.update(dict.fromkeys(names, given[present[0]]))
    return tied


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with the given tensors, by their names, in place of its parameters, buffers and attributes.

    What the call puts in place of one of them (``self.mean = ...``) is in the dictionary afterwards, if it is only one.

    Args:
        tie_weights: what is given for one name of a parameter is given for its other names too.
        strict: every parameter and buffer must be given, and nothing else.
    """
    if not isinstance(parameter_and_buffer_dicts, (tuple, list)):
        given = parameter_and_buffer_dicts
        given = given if isinstance(given, dict) else dict(given.items())
    else:
        given = {}
        for d in parameter_and_buffer_dicts:
            if repeated := sorted(set(d) & set(given)):
                raise ValueError(
                    f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
                )
            given.update(d)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    placed = given
    if tie_weights or strict:
        own = {
            **dict(module.named_parameters(remove_duplicate=False)),
            **dict(module.named_buffers(remove_duplicate=False)),
        }
        placed = _with_tied(own, given) if tie_weights else given
        wrong = [("Unexpected", set(placed) - set(own)), ("Missing", set(own) - set(placed))]
        if strict and any(names for _, names in wrong):
            raise RuntimeError(
                f"Error(s) in reparametrizing for {type(module).__name__}:\n\t"
                + "\n\t".join(f"{kind} key(s): {str(sorted(names))[1:-1]}." for kind, names in wrong if names)
            )
    was: list[tuple[Any, str, str, Any]] = []
    try:
        for name, value in placed.items():
            *path, last = name.split(".")
            owner = _owner(module, path)
            was.append((owner, last, name, exchange(owner, last, value)))
        return module(*args, **(kwargs or {}))
    finally:
        for owner, last, name, value in reversed(was):
            now = exchange(owner, last, value)
            if name in given and now is not given[name] and now is not _MISSING:
                given[name] = now


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
