"""What a model does with given inputs: its operator calls, the modules they were made in, and the tensors between them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import rushlight
from rushlight import _C, Tensor


@dataclass
class Value:
    """A tensor. ``name`` is set for what no call made: parameters, buffers, inputs."""

    tensor: Tensor
    bytes: int
    produced: bool
    name: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)


@dataclass
class Call:
    """An operator call; scope, inputs and outputs are places in the recording's lists."""

    name: str
    scope: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    arguments: dict[str, Any]
    multiply_adds: int


@dataclass
class Scope:
    """One call of a module."""

    path: str
    module: Any
    parent: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass
class Recording:
    values: list[Value] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def ancestors(self, scope: int) -> Iterator[int]:
        """The scope and those around it, the innermost first."""
        while scope >= 0:
            yield scope
            scope = self.scopes[scope].parent


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors of a nest of tuples, lists, dicts and objects with fields."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif hasattr(value, "__dataclass_fields__"):
        yield from tensors_in(vars(value))


def as_inputs(inputs: tuple) -> tuple:
    """A tuple or Size of whole numbers stands for a tensor of that shape."""
    return tuple(
        rushlight.rand(x) if isinstance(x, (tuple, list)) and x and all(isinstance(n, int) for n in x) else x
        for x in inputs
    )


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Leaves statistics, modes and the random generator as they were."""
    modules = list(model.modules()) if isinstance(model, rushlight.nn.Module) else []
    modes = [m.training for m in modules]
    drawn = rushlight.get_rng_state()
    try:
        for m in modules:
            m.training = False
        yield
    finally:
        for m, mode in zip(modules, modes, strict=True):
            m.training = mode
        rushlight.set_rng_state(drawn)


def record(model: Callable, inputs: tuple, kwargs: dict[str, Any]) -> Recording:
    """Calls the model, without gradients and in evaluation mode, and takes down what it does."""
    is_module = isinstance(model, rushlight.nn.Module)
    named = dict(model.named_modules()) if is_module else {}
    paths = {id(m): (path, m) for path, m in named.items()}
    with evaluating(model):
        inputs = as_inputs(inputs)
        with rushlight.no_grad():
            running = _C._record_start()
            try:
                result = model(*inputs, **kwargs)
            finally:
                values, calls, scopes = _C._record_stop(running)
    made = Recording([Value(*v) for v in values], [Call(*c) for c in calls])
    made.scopes = [Scope(*paths.get(module, ("", None)), *rest) for module, *rest in scopes]
    last = {id(v.tensor): i for i, v in enumerate(made.values)}
    first = {id(v.tensor): i for i, v in reversed(list(enumerate(made.values)))}
    if is_module:
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            if id(t) in first:
                made.values[first[id(t)]].name = name
    given = list(tensors_in([inputs, kwargs]))
    for i, t in enumerate(given):
        if id(t) in first:
            made.inputs.append(first[id(t)])
            made.values[first[id(t)]].name = "input" if len(given) == 1 else f"input {i + 1}"
    made.outputs = [last[id(t)] for t in tensors_in(result) if id(t) in last]
    return made
