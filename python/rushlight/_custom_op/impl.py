"""Operators of Python functions in their first form; torch.library.custom_op has taken its place.

>>> @custom_op("doc_first::plus")
... def plus(x: torch.Tensor, by: float) -> torch.Tensor:
...     raise NotImplementedError
>>> @plus.impl("cpu")
... def _(x, by):
...     return x + by
>>> plus(torch.ones(2), 2.0)
tensor([3., 3.])
"""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from .. import _C
from .._library.custom_ops import _tensors_of, autograd_kernel, check_differentiable, check_gives_tensors_of_its_own
from .._library.infer_schema import infer_schema as _infer
from .._library.registry import Library, device_types, dispatch_key_of, overload_of
from .._library.utils import is_functional_schema
from .._ops import ops, parse_schema

__all__ = ["CustomOp", "custom_op", "get_ctx"]

RESERVED_NS = {"prim", "prims", "aten", "at", "torch", "pytorch"}
global_registry: dict[str, CustomOp] = {}


def infer_schema(prototype_function: Callable, mutates_args: Any = ()) -> str:
    """The schema that a function's type hints say."""
    return _infer(prototype_function, mutates_args=mutates_args)


def parse_qualname(qualname: str) -> tuple[str, str]:
    """Namespace and name. ValueError for what is none."""
    parts = qualname.split("::", 1)
    if len(parts) != 2:
        raise ValueError(
            f"Expected there to be a namespace in {qualname}, i.e. The operator name should look something like ns::foo"
        )
    if "." in parts[1]:
        raise ValueError(
            f"The torch.custom_ops APIs do not handle overloads, i.e. operator names with '.' in them. Please name your operator "
            f"something like ns::foo. Got: {qualname}"
        )
    return parts[0], parts[1]


def validate_namespace(ns: str) -> None:
    """ValueError for PyTorch's own namespaces, and for what is no name."""
    if "." in ns:
        raise ValueError(f'custom_op(..., ns="{ns}"): expected ns to not contain any . (and be a valid variable name)')
    if ns in RESERVED_NS:
        raise ValueError(
            f"custom_op(..., ns='{ns}'): '{ns}' is a reserved namespace, please choose something else. Reserved: {sorted(RESERVED_NS)}"
        )


def validate_function_matches_schema(schema: Any, func: Callable) -> None:
    """ValueError unless a function takes the arguments of a schema, by their names."""
    given = inspect.signature(func).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in given):
        raise ValueError(
            "custom_op(..., manual_schema)(func): positional-only args, *args and **kwargs are not supported"
        )
    if any(p.annotation is not p.empty for p in given):
        raise ValueError(
            "custom_op(..., manual_schema)(func): please don't put type annotations on func where a schema is given"
        )
    names = [(p.name, p.kind is p.KEYWORD_ONLY) for p in given]
    if names != [(a.name, a.kwarg_only) for a in schema.arguments]:
        raise ValueError(
            "custom_op(..., manual_schema)(func): When passing in a manual schema, we expect func's signature to match "
            f"manual_schema (aside from type annotations). func's args: {names}, schema: {schema}"
        )


def validate_schema(qualname: str, schema: str) -> None:
    """ValueError unless calls of an operator of that schema only read their arguments and give tensors of their own."""
    parsed = parse_schema(qualname + schema)
    if not is_functional_schema(parsed):
        raise ValueError(
            f"custom_op only supports functional operators (ops that do not mutate any inputs, do not return views of the "
            f"inputs, and have at least one return). Got the following non-functional schema: {parsed}"
        )
    if any(a.name == "self" for a in parsed.arguments):
        raise ValueError(
            f"custom_op does not support arguments named 'self'. Please rename your argument. Got: {parsed}"
        )


def custom_op(qualname: str, manual_schema: str | None = None) -> Callable[[Callable], CustomOp]:
    """Makes an operator whose kernels are given by the object that comes back."""

    def make(func: Callable) -> CustomOp:
        if not inspect.isfunction(func):
            raise ValueError(f"custom_op(...)(func): Expected `func` to be a Python function, got: {type(func)}")
        ns, name = parse_qualname(qualname)
        validate_namespace(ns)
        if func.__name__ != name:
            raise ValueError(
                f"custom_op(qualname='{qualname}', ...)(func): expected `func` to have name '{name}' but got '{func.__name__}'. "
                "Please either change the name of `func` or the qualname that is passed to `custom_op`"
            )
        if manual_schema is not None:
            validate_schema(qualname, manual_schema)
            validate_function_matches_schema(parse_schema(qualname + manual_schema), func)
        return CustomOp(ns, name, infer_schema(func) if manual_schema is None else manual_schema)

    return make


def get_op(qualname: str) -> Any:
    """The operator of that name. RuntimeError if there is none."""
    return overload_of(qualname)


def find_custom_op(qualname: str, also_check_torch_library: bool = False) -> CustomOp:
    """What custom_op made of that name; with also_check_torch_library, one for an operator of a Library."""
    if qualname in global_registry:
        return global_registry[qualname]
    if not also_check_torch_library:
        raise RuntimeError(f'Could not find custom op "{qualname}". Did you register it via the torch._custom_ops API?')
    overload = overload_of(qualname)
    ns, name = parse_qualname(qualname)
    return CustomOp(ns, name, str(overload._schema), defined=True)


class CustomOp:
    """An operator; call it as the function."""

    def __init__(self, ns: str, name: str, schema: str, defined: bool = False):
        self._qualname, self._cpp_ns, self._opname = f"{ns}::{name}", ns, name
        self.__name__ = None
        self._lib = Library(ns, "FRAGMENT")
        if not defined:
            validate_schema(self._qualname, schema)
            self._lib.define(name + schema)
        self._given: dict[str, str] = {}
        self._save: Callable | None = None
        self._backward: Callable | None = None
        global_registry[self._qualname] = self

    def _destroy(self) -> None:
        """Takes the operator away."""
        self._lib._destroy()
        global_registry.pop(self._qualname, None)
        getattr(ops, self._cpp_ns)._forget(self._opname)

    @property
    def _op(self) -> Any:
        return overload_of(self._qualname)

    def __repr__(self) -> str:
        return f'<CustomOp(op="{self._qualname}")>'

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    def _once(self, kind: str) -> None:
        if kind in self._given:
            raise RuntimeError(
                f"Attempting to register a {kind} impl for operator {self._qualname} that already has a {kind} impl registered from "
                f"Python at {self._given[kind]}. This is not supported."
            )
        frame = inspect.stack()[2]
        self._given[kind] = f"{frame.filename}:{frame.lineno}"

    def impl(self, types: Any, _stacklevel: int = 2) -> Callable:
        """Registers a kernel for devices."""
        kinds = device_types(types)
        for kind in kinds:
            if kind not in ("cpu", "cuda"):
                raise ValueError(
                    f"CustomOp.impl(device_types=[..., {kind}, ...]): we only support device_type in ['cpu', 'cuda']."
                )

        def register(f: Callable) -> Callable:
            for kind in set(kinds):
                key = dispatch_key_of(str(kind))
                if found := {key, "CompositeImplicitAutograd", "CompositeExplicitAutograd"} & self._kernels_of_others():
                    raise RuntimeError(
                        f"impl(...): the operator {self._qualname} already has an implementation for this device type via "
                        f"a pre-existing torch.library or TORCH_LIBRARY {found.pop()} registration."
                    )
                self._once(str(kind))
                self._lib.impl(self._opname, f, dispatch_key_of(str(kind)))
            return f

        return register

    def _kernels_of_others(self) -> set[str]:
        """The keys of kernels that were registered without this object."""
        return set(_C._op_kernels(self._qualname)) - {dispatch_key_of(k) for k in self._given if k in ("cpu", "cuda")}

    def impl_abstract(self, _stacklevel: int = 2) -> Callable:
        """Registers what says shapes and dtypes."""

        def register(f: Callable) -> Callable:
            from ..library import register_fake

            self._once("abstract")
            register_fake(self._qualname, f, lib=self._lib)
            return f

        return register

    def impl_factory(self) -> Callable:
        """Registers a kernel for calls without tensors."""

        def register(f: Callable) -> Callable:
            self._once("factory")
            self._lib.impl(self._opname, f, "BackendSelect")
            return f

        return register

    def _differentiable(self) -> None:
        try:
            check_differentiable(self._op)
            check_gives_tensors_of_its_own(self._op)
        except RuntimeError as e:
            raise RuntimeError(f"Cannot use torch._custom_ops APIs to register backward formula: {e}") from None
        if "autograd" in self._given:
            return
        for key in _C._op_kernels(self._qualname):
            if key.startswith("Autograd") or key == "CompositeImplicitAutograd":
                raise RuntimeError(
                    f"impl_backward/impl_save_for_backward: the operator {self._qualname} already has an implementation via a "
                    f"pre-existing registration to DispatchKey::{key}"
                )
        self._given["autograd"] = ""
        kernel = autograd_kernel(self._op, lambda: self._back, lambda: self._keep)
        self._lib.impl(self._opname, kernel, "Autograd")

    def impl_save_for_backward(self, _stacklevel: int = 2) -> Callable:
        """Registers what gives backward its `saved`: f(inputs, output), of an object whose attributes are the arguments."""

        def register(f: Callable) -> Callable:
            self._differentiable()
            self._once("save_for_backward")
            self._save = f
            return f

        return register

    def impl_backward(self, output_differentiability: Any = None, _stacklevel: int = 2) -> Callable:
        """Registers the gradient: f(ctx, saved, *grads) gives a dict of gradients by the arguments' names."""
        if output_differentiability is not None and not (
            isinstance(output_differentiability, list)
            and all(isinstance(d, bool) for d in output_differentiability)
            and len(output_differentiability) == len(self._op._schema.returns)
        ):
            raise RuntimeError(
                "impl_backward(output_differentiability): expected output_differentiability to be a list of bools with a bool for "
                f"each of the {len(self._op._schema.returns)} outputs, got: {output_differentiability}"
            )

        def register(f: Callable) -> Callable:
            self._differentiable()
            self._once("backward")
            self._backward, self._plain = f, output_differentiability
            return f

        return register

    def _keep(self, ctx: Any, inputs: Any, output: Any, keyword_only_inputs: Any = None) -> None:
        if self._save is None or self._backward is None:
            return
        schema = self._op._schema
        given = dict(zip((a.name for a in schema.arguments if not a.kwarg_only), inputs, strict=True))
        given |= keyword_only_inputs or {}
        named = namedtuple(f"{self._opname}_args", given)(**given)  # type: ignore[misc]
        saved = self._save(named, output)
        ctx._saved_kinds = [isinstance(v, _C.Tensor) for v in _leaves(saved)]
        ctx.save_for_backward(*(v for v in _leaves(saved) if isinstance(v, _C.Tensor)))
        ctx._saved_form = saved
        outputs = output if isinstance(output, tuple) else (output,)
        if self._plain is not None:
            for i, (o, differentiable) in enumerate(zip(outputs, self._plain, strict=True)):
                if differentiable and not all(isinstance(t, _C.Tensor) for t in (o if isinstance(o, list) else [o])):
                    raise RuntimeError(
                        f"With output_differentiability={self._plain}. At idx {i}, we received an object of type {type(o)} "
                        "that is not a Tensor, so it cannot have be marked as differentiable in output_differentiability."
                    )
            ctx.mark_non_differentiable(
                *(t for o, d in zip(outputs, self._plain, strict=True) if not d for t in _tensors_of((o,)))
            )

    def _back(self, ctx: Any, *grads: Any) -> Any:
        if self._save is None or self._backward is None:
            missing = [n for n, f in (("save_for_backward", self._save), ("backward", self._backward)) if f is None]
            raise RuntimeError(
                f"We cannot autograd through {self._qualname}: unable to find a '{missing[0]}' "
                "function; register it too"
            )
        tensors = iter(ctx.saved_tensors)
        saved = _mapped(ctx._saved_form, lambda v: next(tensors) if isinstance(v, _C.Tensor) else v)
        found = self._backward(ctx, saved, *grads)
        places = [a for a in self._op._schema.arguments if not a.kwarg_only]
        wanted = {a.name for a in places if "Tensor" in a.schema_type}
        if not isinstance(found, dict):
            raise RuntimeError(
                f"In the backward function defined for {self._qualname} at {self._given['backward']} using the CustomOp API, expected "
                f"the output of the backward function to be a dict but got {type(found)}"
            )
        if set(found) != wanted:
            raise RuntimeError(
                f"In the backward function defined for {self._qualname} at {self._given['backward']} using the CustomOp API, expected "
                f"the returned grad_input dict to have keys {wanted} but got {set(found)}. The backward function must return a "
                "gradient (can be None) for each arg to the CustomOp that may be a Tensor or Sequence[Tensor]. Args declared to be "
                "non-Tensor-like types should not appear in the grad_input dict"
            )
        for a in places:
            if a.name in wanted:
                self._check_gradient(ctx, places.index(a), a, found[a.name])
        return tuple(found.get(a.name) for a in places)

    def _check_gradient(self, ctx: Any, at: int, argument: Any, grad: Any) -> None:
        said = f"for argument {argument.name} of {self._qualname}, from backward at {self._given['backward']}"
        if not argument.schema_type.endswith("[]"):
            if grad is not None and not isinstance(grad, _C.Tensor):
                raise RuntimeError(f"expected the gradient to be either None or a Tensor but got {type(grad)} {said}")
            return
        if not isinstance(grad, (list, tuple)):
            raise RuntimeError(f"expected a list of gradients but got {type(grad)} {said}")
        count = ctx._rl_call.counts[at]
        if len(grad) != count:
            raise RuntimeError(f"expected {count} gradients but got {len(grad)} {said}")
        for g in grad:
            if g is not None and not isinstance(g, _C.Tensor):
                raise RuntimeError(f"expected the gradients to be None or Tensor but got {type(g)} {said}")


def _leaves(tree: Any) -> list:
    from ..utils._pytree import tree_flatten

    return tree_flatten(tree)[0]


def _mapped(tree: Any, what: Callable) -> Any:
    from ..utils._pytree import tree_map

    return tree_map(what, tree)


def get_ctx() -> Any:
    """The context of the abstract kernel that runs."""
    from ..library import get_ctx as found

    return found()
