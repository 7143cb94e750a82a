"""A module as a function of its parameters, in the form from before torch.func.functional_call."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import rushlight as rl

from ..func import functional_call


class FunctionalModuleWithBuffers(rl.nn.Module):
    """Called with parameters, buffers and the module's own arguments."""

    def __init__(self, module: rl.nn.Module, parameters: Sequence[str], buffers: Sequence[str]):
        super().__init__()
        self.stateless_model = module
        self.param_names = tuple(parameters)
        self.buffer_names = tuple(buffers)
        self._further_names: dict[str, str] = {}  # of what has several, with the first

    def forward(self, params: Iterable, buffers: Iterable, *args: Any, **kwargs: Any) -> Any:
        state = dict(zip(self.param_names, params, strict=True)) | dict(zip(self.buffer_names, buffers, strict=True))
        state |= {name: state[first] for name, first in self._further_names.items()}
        return functional_call(self.stateless_model, state, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    """Called with parameters and the module's own arguments."""

    def forward(self, params: Iterable, *args: Any, **kwargs: Any) -> Any:
        return super().forward(params, (), *args, **kwargs)


def _taken(
    model: rl.nn.Module, disable_autograd_tracking: bool
) -> tuple[rl.nn.Module, dict[str, rl.Tensor], dict[str, rl.Tensor]]:
    """A copy of the module without memory, and the parameters and buffers of the module itself."""
    parameters = dict(model.named_parameters())  # what is there under two names is one
    if disable_autograd_tracking:
        parameters = {name: p.detach() for name, p in parameters.items()}
    return copy.deepcopy(model).to("meta"), parameters, dict(model.named_buffers())


def _tied(made: Any, model: rl.nn.Module) -> Any:
    """The function, which knows what names of the module are of one tensor."""
    for walk in (model.named_parameters, model.named_buffers):
        first = {id(t): name for name, t in walk()}
        made._further_names |= {n: first[id(t)] for n, t in walk(remove_duplicate=False) if n != first[id(t)]}
    return made


def make_functional(
    model: rl.nn.Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModule, tuple[rl.Tensor, ...]]:
    """(f, parameters): f(parameters, *args) is the module's forward. The module must have no buffers.

    >>> import rushlight as torch
    >>> f, parameters = make_functional(torch.nn.Linear(3, 2))
    >>> f(parameters, torch.ones(3)).shape
    torch.Size([2])
    """
    module, parameters, buffers = _taken(model, disable_autograd_tracking)
    if buffers:
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use make_functional_with_buffers(model) instead."
        )
    return _tied(FunctionalModule(module, list(parameters), []), model), tuple(parameters.values())


def make_functional_with_buffers(
    model: rl.nn.Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModuleWithBuffers, tuple[rl.Tensor, ...], tuple[rl.Tensor, ...]]:
    """(f, parameters, buffers): f(parameters, buffers, *args) is the module's forward."""
    module, parameters, buffers = _taken(model, disable_autograd_tracking)
    made = FunctionalModuleWithBuffers(module, list(parameters), list(buffers))
    return _tied(made, model), tuple(parameters.values()), tuple(buffers.values())


def combine_state_for_ensemble(
    models: Sequence[rl.nn.Module],
) -> tuple[FunctionalModuleWithBuffers, tuple[rl.Tensor, ...], tuple[rl.Tensor, ...]]:
    """make_functional_with_buffers of several modules of one architecture, parameters and buffers stacked for vmap."""
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1 or len({type(m) for m in models}) > 1:
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to be of the same class and in the same training/eval mode."
        )
    made, states, buffers = zip(*(make_functional_with_buffers(m) for m in models), strict=True)

    def stacked(rows: Sequence[Sequence[rl.Tensor]]) -> tuple[rl.Tensor, ...]:
        return tuple(
            rl.stack([t.detach() for t in row]).requires_grad_(row[0].requires_grad) for row in zip(*rows, strict=True)
        )

    return made[0], stacked(states), stacked(buffers)
