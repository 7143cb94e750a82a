"""custom_op: Python functions as operators, and the autograd kernels of their gradients."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .. import _C
from .._ops import FunctionSchema, OpOverload, parse_schema
from .infer_schema import infer_schema
from .registry import Library, device_types, dispatch_key_of, overload_of


def _any_requires_grad(values: Iterable[Any]) -> bool:
    for v in values:
        if isinstance(v, _C.Tensor):
            if v.requires_grad:
                return True
        elif isinstance(v, (list, tuple)) and _any_requires_grad(v):
            return True
    return False


def _with_defaults(schema: FunctionSchema, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """All arguments: calls of kernels leave out those that only repeat their defaults."""
    places = [a for a in schema.arguments if not a.kwarg_only]
    names = [a for a in schema.arguments if a.kwarg_only]
    filled = tuple(args[i] if i < len(args) else kwargs.get(a.name, a.default_value) for i, a in enumerate(places))
    return filled, {a.name: kwargs.get(a.name, a.default_value) for a in names}


class _Call:
    """What forward and backward of one call share: autograd.Function sees only tensors, one by one."""

    def __init__(self, args: tuple, kwargs: dict[str, Any]):
        self.args, self.kwargs = args, kwargs
        self.tensors: list[Any] = []
        self.counts: list[int] = []  # of tensors in each argument by place; -1: it is no list
        self.results: list[int] | None = None  # the same of the results, where one is a list
        for a in args:
            if isinstance(a, (list, tuple)) and any(isinstance(t, _C.Tensor) for t in a):
                self.counts.append(len(a))
                self.tensors += a
            else:
                self.counts.append(-1)
                self.tensors.append(a)


def _flat_gradients(call: _Call, result: Any, op: OpOverload) -> list[Any]:
    """backward's result, an item for an argument, as one for each tensor."""
    given = list(result) if isinstance(result, (tuple, list)) and not _is_only_list(call, result) else [result]
    while len(given) > len(call.counts) and given[-1] is None:
        given.pop()
    # Of arguments that are no tensors there is nothing to return.
    while len(given) < len(call.args) and not any(True for _ in _tensors_of(call.args[len(given) :])):
        given.append(None)
    if len(given) != len(call.counts):
        raise RuntimeError(
            f"the backward function of {op} returned an incorrect number of gradients (expected {len(call.counts)}, got "
            f"{len(given)})"
        )
    flat: list[Any] = []
    for count, g in zip(call.counts, given, strict=True):
        if count < 0:
            flat.append(g)
        elif g is None:
            flat += [None] * count
        elif isinstance(g, (list, tuple)) and len(g) == count:
            flat += g
        else:
            raise RuntimeError(
                f"the backward function of {op} returned {type(g).__name__} as the gradient of a list of {count} tensors, "
                f"expected a list of {count} gradients"
            )
    return flat


def _is_only_list(call: _Call, result: Any) -> bool:
    return isinstance(result, list) and len(call.counts) == 1 and call.counts[0] >= 0


def autograd_kernel(
    op: OpOverload, backward: Callable[[], Callable | None], setup: Callable[[], Callable | None]
) -> Callable:
    """The kernel for the key Autograd: runs the operator below it, and records how to come back."""
    from ..autograd import Function

    schema = op._schema
    keyword_only = any(a.kwarg_only for a in schema.arguments)

    def forward(ctx: Any, call: _Call, *tensors: Any) -> Any:
        result = op._op.below_autograd(*call.args, **call.kwargs)
        ctx._rl_call = call
        if function := setup():
            given = {"ctx": ctx, "inputs": call.args, "output": result}
            if keyword_only:
                given["keyword_only_inputs"] = call.kwargs
            with _needs_of_arguments(ctx, call):
                function(**given)
        parts = [result] if len(schema.returns) == 1 else result
        if not any(isinstance(r, list) for r in parts or ()):
            return result
        call.results = [len(r) if isinstance(r, list) else -1 for r in parts]
        return tuple(t for r in parts for t in (r if isinstance(r, list) else [r]))

    def back(ctx: Any, *grads: Any) -> Any:
        function = backward()
        if function is None:
            raise RuntimeError(
                f"Trying to backward through {op} but no autograd formula was registered. Please use register_autograd to "
                "add one."
            )
        call = ctx._rl_call
        if call.results is not None:
            grads = tuple(_grouped(grads, call.results))
        with _needs_of_arguments(ctx, call):
            result = function(ctx, *grads)
        return (None, *_flat_gradients(call, result, op))

    name = f"GeneratedBackwardFor_{op._namespace}_{op._opname}_{op._overloadname}"
    generated = type(name, (Function,), {"forward": staticmethod(forward), "backward": staticmethod(back)})

    def kernel(*args: Any, **kwargs: Any) -> Any:
        if not (_C.is_grad_enabled() and _any_requires_grad(args)):
            return op._op.below_autograd(*args, **kwargs)
        call = _Call(*_with_defaults(schema, args, kwargs))
        result = generated.apply(call, *call.tensors)
        if call.results is None:
            return result
        grouped = tuple(_grouped(result, call.results))
        return grouped[0] if len(schema.returns) == 1 else grouped

    return kernel


def _grouped(flat: Sequence[Any], counts: Sequence[int]) -> Iterator[Any]:
    at = 0
    for n in counts:
        yield flat[at] if n < 0 else list(flat[at : at + n])
        at += 1 if n < 0 else n


@contextlib.contextmanager
def _needs_of_arguments(ctx: Any, call: _Call) -> Iterator[None]:
    """Inside, ctx.needs_input_grad has an item for each argument of the operator."""
    needs = ctx.needs_input_grad
    ctx.needs_input_grad = tuple(_grouped(needs[1:], call.counts))
    try:
        yield
    finally:
        ctx.needs_input_grad = needs


def _has_tensors_by_name(schema: FunctionSchema) -> bool:
    return any(a.kwarg_only and "Tensor" in a.schema_type for a in schema.arguments)


def check_differentiable(op: OpOverload) -> None:
    schema = op._schema
    if schema.is_mutable:
        raise RuntimeError(
            f"Cannot register autograd formula for non-functional operator {op} with schema {schema}. Please create a "
            "functional operator and register an autograd formula for that."
        )
    if _has_tensors_by_name(schema):
        raise NotImplementedError(
            f"register_autograd with kwarg-only Tensor args. In the original definition of the op, please make your "
            f"tensors not kwarg-only. Got: {schema}"
        )


def check_gives_tensors_of_its_own(op: OpOverload) -> None:
    """RuntimeError for an operator whose gradient the two first forms of custom operators can't take."""
    schema = op._schema
    if any(r.alias_info is not None for r in schema.returns):
        raise RuntimeError(f"Cannot register autograd formula for operator that returns views: {op} of schema {schema}")
    if not schema.returns:
        raise RuntimeError(f"Cannot register autograd formula for operator with no returns: {op} of schema {schema}")


def _tensors_of(values: Iterable[Any]) -> Iterator[Any]:
    for v in values:
        if isinstance(v, _C.Tensor):
            yield v
        elif isinstance(v, (list, tuple)):
            yield from _tensors_of(v)


def check_aliases(name: str, where: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> None:
    """Raises RuntimeError if a result shares memory with an argument or another result."""
    seen = {_C._storage_id(t) for t in _tensors_of((*args, *kwargs.values()))}
    for t in _tensors_of((result,)):
        memory = _C._storage_id(t)
        if memory in seen and memory:
            raise RuntimeError(
                f"{name} (with implementation in {where}): The output of this custom operator (1) must not also be an input "
                "to this custom operator and (2) may not alias any inputs to this custom operator or other returns. The "
                "most common way to trigger this error is if we have y = custom_op(x) and y and x are the same Tensor. "
                "Please instead return a clone of the offending output tensor(s) (e.g. return x.clone()) or refactor the "
                "custom operator to not return y."
            )
        seen.add(memory)


_libraries: dict[str, Library] = {}  # by the operator's name: defining it anew replaces the old one


class CustomOpDef:
    """An operator made of a Python function; call it as the function. See custom_op."""

    by_name: dict[str, CustomOpDef] = {}

    def __init__(self, namespace: str, name: str, schema: str, fn: Callable, tags: Any = None):
        self._namespace, self._name, self._schema = namespace, name, schema
        if _has_tensors_by_name(parse_schema(self._qualname + schema)):
            raise NotImplementedError(
                f"custom_op with kwarg-only Tensor args. Please make your tensors not kwarg-only. Got: {name}{schema}"
            )
        self._init_fn = fn
        self._backend_fns: dict[str | None, Callable] = {}
        self._disabled: set[str | None] = set()
        self._abstract_fn: Callable | None = None
        self._backward_fn: Callable | None = None
        self._setup_context_fn: Callable | None = None
        self._vmap_fn: Callable | None = None
        if old := _libraries.pop(self._qualname, None):
            old._destroy()
        self._lib = Library(namespace, "FRAGMENT")
        self._lib.define(name + schema, tags=tags or ())
        _libraries[self._qualname] = self._lib
        CustomOpDef.by_name[self._qualname] = self
        self._opoverload = overload_of(self._qualname)
        parsed = self._opoverload._schema
        self._lib.impl(name, self._fake, "Meta")
        kernel = autograd_kernel(self._opoverload, lambda: self._backward_fn, lambda: self._setup_context_fn)
        self._lib.impl(name, kernel, "Autograd")
        if parsed.is_mutable:
            self._lib.impl(name, None, "ADInplaceOrView")  # writes are counted, also those through pointers

    @property
    def _qualname(self) -> str:
        return f"{self._namespace}::{self._name}"

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._opoverload(*args, **kwargs)

    def _fake(self, *args: Any, **kwargs: Any) -> Any:
        if self._abstract_fn is not None:
            return self._abstract_fn(*args, **kwargs)
        if self._opoverload._schema.is_mutable and not self._opoverload._schema.returns:
            return None
        raise RuntimeError(
            f"There was no fake impl registered for {self}. This is necessary for meta tensors and for compiling. Please "
            f"use `{getattr(self._init_fn, '__name__', self._name)}.register_fake` to add a fake impl."
        )

    @contextlib.contextmanager
    def set_kernel_enabled(self, device_type: str, enabled: bool = True) -> Iterator[None]:
        """Inside, the kernel of a device is used or not; where it is not, the operator's own function runs."""
        was = device_type in self._disabled
        (self._disabled.discard if enabled else self._disabled.add)(device_type)
        try:
            yield
        finally:
            (self._disabled.add if was else self._disabled.discard)(device_type)

    def register_kernel(self, device_types_: str | Sequence[str] | None, fn: Callable | None = None, /) -> Callable:
        """Registers ``fn`` for devices: "cpu", "cuda", or a list of them. A decorator without ``fn``."""

        def register(fn: Callable) -> Callable:
            for device in device_types(device_types_):
                if device not in self._backend_fns:
                    key = "CompositeExplicitAutograd" if device is None else dispatch_key_of(device)
                    self._lib.impl(self._name, self._kernel(device), key)
                self._backend_fns[device] = fn
            return fn

        return register if fn is None else register(fn)

    def _kernel(self, device: str | None) -> Callable:
        def kernel(*args: Any, **kwargs: Any) -> Any:
            fn = self._init_fn if device in self._disabled else self._backend_fns[device]
            result = fn(*args, **kwargs)
            if not any(a.alias_info for a in self._opoverload._schema.returns):
                check_aliases(self._name, inspect.getmodule(fn), args, kwargs, result)
            return result

        return kernel

    def register_fake(self, fn: Callable, /) -> Callable:
        """Registers what says the results' shapes and dtypes: it runs on meta tensors."""
        self._abstract_fn = fn
        return fn

    def register_autograd(self, backward: Callable, /, *, setup_context: Callable | None = None) -> None:
        """Registers the gradient: ``backward(ctx, *grads)`` gives one for each argument, and ``setup_context(ctx, inputs,
        output)`` saves what it needs."""
        check_differentiable(self._opoverload)
        self._backward_fn, self._setup_context_fn = backward, setup_context

    def register_vmap(self, func: Callable | None = None) -> Any:
        """Keeps the rule ``func(info, in_dims, *args)`` for a batch of calls."""

        def register(func: Callable) -> Callable:
            self._vmap_fn = func
            return func

        return register if func is None else register(func)


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Makes an operator of a Python function, which works with gradients, meta tensors, traces and scripts.

    Args:
        name: "namespace::name".
        mutates_args: names of the arguments that the function writes to, or "unknown".
        device_types: what the function is the kernel for. Default: all devices.
        schema: instead of the one that the function's type hints say, without the name.

    >>> @torch.library.custom_op("doc::halve", mutates_args=())
    ... def halve(x: torch.Tensor) -> torch.Tensor:
    ...     return x / 2
    >>> halve.register_autograd(lambda ctx, g: g / 2)
    >>> x = torch.tensor([4.0], requires_grad=True)
    >>> halve(x).backward()
    >>> x.grad
    tensor([0.5000])
    """
    namespace, colons, bare = name.partition("::")
    if not colons or not namespace or not bare or bare.startswith("."):
        raise ValueError(f'expected the name of a custom op as "namespace::name", got "{name}"')

    def make(fn: Callable) -> CustomOpDef:
        text = infer_schema(fn, mutates_args=mutates_args) if schema is None else schema
        made = CustomOpDef(namespace, bare, text, fn, tags)
        if schema is not None:
            written = {a.name for a in made._opoverload._schema.arguments if a.alias_info and a.alias_info.is_write}
            if written != set(mutates_args):
                made._lib._destroy()
                raise ValueError(
                    f"Attempted to create a custom op with `mutates_args={mutates_args}` and `schema={schema}`. The schema "
                    f"suggests that the op mutates {written}, which is different from what was provided to us in "
                    "`mutates_args`. Please make these consistent."
                )
        made.register_kernel(device_types)(fn)
        return made

    return make if fn is None else make(fn)
