"""Operators written in Python, and kernels and gradients for any operator: as torch.library.

>>> @torch.library.custom_op("demo::scaled_sum", mutates_args=())
... def scaled_sum(x: torch.Tensor, by: float = 1.0) -> torch.Tensor:
...     return x.sum() * by
>>> scaled_sum(torch.ones(3), 2.0)
tensor(6.)
>>> torch.ops.demo.scaled_sum(torch.ones(3))
tensor(3.)
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from . import _C
from ._library.custom_ops import CustomOpDef, autograd_kernel, check_differentiable, custom_op
from ._library.infer_schema import infer_schema
from ._library.opcheck import OpCheckError, opcheck
from ._library.registry import (
    Library,
    device_types,
    fallthrough_kernel,
    kept_library,
    key_of,
    overload_of,
    qualified_name,
)

__all__ = [
    "CustomOpDef",
    "Library",
    "OpCheckError",
    "custom_op",
    "define",
    "fallthrough_kernel",
    "get_ctx",
    "impl",
    "impl_abstract",
    "infer_schema",
    "opcheck",
    "register_autocast",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_torch_dispatch",
    "register_vmap",
    "triton_op",
    "wrap_triton",
]


def triton_op(
    name: str, fn: Callable | None = None, /, *, mutates_args: str | Iterable[str], schema: str | None = None
) -> Any:
    """Makes an operator of a Python function that launches Triton kernels: a custom_op, whose function runs as it is.

    >>> @torch.library.triton_op("doc::third", mutates_args={})
    ... def third(x: torch.Tensor) -> torch.Tensor:
    ...     return x / 3
    >>> third(torch.tensor([6.0]))
    tensor([2.])
    """
    return custom_op(name, fn, mutates_args=mutates_args, schema=schema)


def wrap_triton(triton_kernel: Callable, /) -> Any:
    """The kernel itself, as PyTorch has it where nothing is compiled."""
    return triton_kernel


def _split(qualname: Any) -> tuple[str, str]:
    if not isinstance(qualname, str):
        raise ValueError(f"define(qualname, schema): expected qualname to be instance of str, got {type(qualname)}")
    namespace, colons, name = qualname.partition("::")
    if not colons or not namespace or not name:
        raise ValueError(f'expected the name of an operator as "namespace::name", got "{qualname}"')
    return namespace, name


def define(qualname: Any, schema: str, alias_analysis: str = "", *, lib: Library | None = None, tags: Any = ()) -> Any:
    """Defines an operator: ``schema`` is the text behind its name.

    The old form ``define(lib, schema)``, whose schema has the name, is a decorator of the function that computes it.

    >>> torch.library.define("doc::plus_one", "(Tensor x) -> Tensor")
    >>> torch.library.impl("doc::plus_one", "cpu", lambda x: x + 1)
    >>> torch.ops.doc.plus_one(torch.ones(2))
    tensor([2., 2.])
    """
    if isinstance(qualname, Library):
        library, defined = qualname, qualname.define(schema, alias_analysis, tags=tags)

        def computed_by(f: Callable) -> Callable:
            library.impl(defined, f)
            return f

        return computed_by
    namespace, name = _split(qualname)
    if not schema.lstrip().startswith("("):
        raise ValueError(
            f'define(qualname, schema, ...): expected schema to look like e.g. "(Tensor x) -> Tensor" but got "{schema}"'
        )
    kept_library(namespace, lib).define(name + schema, alias_analysis, tags=tags)
    return None


def impl(
    qualname: Any, types: str | Sequence[str] | None = None, func: Any = None, *, lib: Library | None = None
) -> Any:
    """Registers a kernel for devices ("cpu", "cuda", a list of them, "default" for all) or dispatch keys ("CPU", "Meta",
    ...). A decorator without ``func``.

    The old form ``impl(lib, name, dispatch_key="")`` is a decorator too.
    """
    if isinstance(qualname, Library):
        library, name, key = qualname, types, func or ""

        def register_in(f: Callable) -> Callable:
            library.impl(name, f, key)  # type: ignore[arg-type]
            return f

        return register_in
    namespace, name = _split(qualified_name(qualname))
    keys = [key_of(t) for t in device_types(types) if t]

    def register(f: Callable) -> Callable:
        library = kept_library(namespace, lib)
        for key in keys:
            library.impl(name, f, key)
        return f

    if func is None:
        return register
    register(func)
    return None


def _definition(op: Any) -> Any:
    """What custom_op() made of a name, where it did."""
    return CustomOpDef.by_name.get(op, op) if isinstance(op, str) else op


def register_kernel(
    op: Any, device_types: str | Sequence[str] | None, func: Callable | None = None, /, *, lib: Library | None = None
) -> Any:
    """Registers a kernel of an operator for devices; None: for all."""
    op = _definition(op)
    if isinstance(op, CustomOpDef):
        return op.register_kernel(device_types, func)
    return impl(qualified_name(op), "default" if device_types is None else device_types, func, lib=lib)


_running = threading.local()  # .name: of the operator whose fake kernel runs


def register_fake(
    op: Any, func: Callable | None = None, /, *, lib: Library | None = None, allow_override: bool = False
) -> Any:
    """Registers what says the shapes and dtypes of an operator's results; it runs on meta tensors.

    >>> torch.library.define("doc::outer", "(Tensor x) -> Tensor")
    >>> @torch.library.register_fake("doc::outer")
    ... def _(x):
    ...     return x.new_empty((x.shape[0], x.shape[0]))
    >>> torch.ops.doc.outer(torch.empty(3, device="meta")).shape
    torch.Size([3, 3])
    """
    op = _definition(op)
    if isinstance(op, CustomOpDef):
        return op.register_fake if func is None else op.register_fake(func)
    name = qualified_name(op)
    namespace, bare = _split(name)

    def register(func: Callable) -> Callable:
        if "CompositeImplicitAutograd" in _C._op_kernels(name) and not allow_override:
            raise RuntimeError(
                f"register_fake(...): the operator {name} already has an implementation for this device type via a pre-existing "
                "registration to DispatchKey::CompositeImplicitAutograd. CompositeImplicitAutograd operators do not need a "
                "fake impl; instead, the operator will decompose into its constituents and those can have fake impls defined "
                "on them."
            )
        if "Meta" in _C._op_kernels(name) and not allow_override:
            raise RuntimeError(
                f"register_fake(...): the operator {name} already has an DispatchKey::Meta implementation via a "
                "pre-existing torch.library or TORCH_LIBRARY registration. Please either remove that registration or don't "
                "call register_fake."
            )

        def fake(*args: Any, **kwargs: Any) -> Any:
            before, _running.name = getattr(_running, "name", None), name
            try:
                return func(*args, **kwargs)
            finally:
                _running.name = before

        kept_library(namespace, lib).impl(bare, fake, "Meta")
        return func

    return register if func is None else register(func)


def impl_abstract(qualname: Any, func: Callable | None = None, *, lib: Library | None = None) -> Any:
    """The old name of register_fake."""
    return register_fake(qualname, func, lib=lib)


class _NoSizes:
    def __init__(self, name: str):
        self._name = name

    def new_dynamic_size(self, *, min: int = 0, max: int | None = None) -> Any:
        raise RuntimeError(
            f"Attempted to call get_ctx() for the meta implementation for {self._name}: sizes that depend on data are not "
            "known on meta tensors."
        )

    create_unbacked_symint = new_dynamic_size


def get_ctx() -> Any:
    """The context of the fake kernel that runs; None outside of one."""
    name = getattr(_running, "name", None)
    return None if name is None else _NoSizes(name)


def register_autograd(
    op: Any, backward: Callable, /, *, setup_context: Callable | None = None, lib: Library | None = None
) -> None:
    """Registers the gradient of an operator.

    Args:
        backward: ``backward(ctx, *grads)`` gives a gradient, or None, for each argument of the operator.
        setup_context: ``setup_context(ctx, inputs, output)`` saves what backward needs.

    >>> torch.library.define("doc::square", "(Tensor x) -> Tensor")
    >>> torch.library.impl("doc::square", "cpu", lambda x: x * x)
    >>> def setup_context(ctx, inputs, output):
    ...     ctx.save_for_backward(*inputs)
    >>> torch.library.register_autograd(
    ...     "doc::square", lambda ctx, g: 2 * g * ctx.saved_tensors[0], setup_context=setup_context
    ... )
    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> torch.ops.doc.square(x).backward()
    >>> x.grad
    tensor([6.])
    """
    op = _definition(op)
    if isinstance(op, CustomOpDef):
        op.register_autograd(backward, setup_context=setup_context)
        return
    name = qualified_name(op)
    overload = overload_of(name)
    check_differentiable(overload)
    kernel = autograd_kernel(overload, lambda: backward, lambda: setup_context)
    namespace, bare = _split(name)
    kept_library(namespace, lib).impl(bare, kernel, "Autograd")


_vmap_rules: dict[str, Callable] = {}


def register_vmap(op: Any, func: Callable | None = None, /, *, lib: Library | None = None) -> Any:
    """Keeps the rule ``func(info, in_dims, *args)`` for a batch of calls of an operator."""
    op = _definition(op)
    if isinstance(op, CustomOpDef):
        return op.register_vmap(func)
    name = qualified_name(op)
    overload_of(name)

    def register(func: Callable) -> Callable:
        _vmap_rules[name] = func
        return func

    return register if func is None else register(func)


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Library | None = None) -> None:
    """Has an operator's floating point arguments cast to a dtype where autocast is enabled; it then runs without autocast.

    Args: device_type: "cpu"; cast_inputs: the dtype. float64 arguments stay. ValueError for a device without autocast.

    >>> torch.library.define("doc::halved", "(Tensor x) -> Tensor")
    >>> torch.library.impl("doc::halved", "cpu", lambda x: x / 2)
    >>> torch.library.register_autocast("doc::halved", "cpu", torch.bfloat16)
    >>> with torch.autocast("cpu"):
    ...     torch.ops.doc.halved(torch.ones(1)).dtype
    torch.bfloat16
    """
    if not isinstance(device_type, str):
        raise ValueError(f"register_autocast: expected device_type to be a str, got {type(device_type).__name__}")
    if device_type != "cpu":
        raise ValueError(f"Device type '{device_type}' does not support autocast.")
    overload = overload_of(qualified_name(op))

    def cast(x: Any) -> Any:
        if isinstance(x, (list, tuple)):
            return type(x)(map(cast, x))
        wide = isinstance(x, _C.Tensor) and x.is_floating_point() and x.dtype != _C._dtypes["float64"]
        return x.to(cast_inputs) if wide and x.device.type == device_type else x

    def kernel(*args: Any, **kwargs: Any) -> Any:
        return overload(*map(cast, args), **{k: cast(v) for k, v in kwargs.items()})

    namespace, bare = _split(overload._name)
    kept_library(namespace, lib).impl(bare, kernel, "AutocastCPU")


_dispatch_rules: dict[type, dict[Any, Callable]] = {}


def register_torch_dispatch(
    op: Any, torch_dispatch_class: Any, func: Callable | None = None, /, *, lib: Library | None = None
) -> Any:
    """Registers what happens to an operator where a TorchDispatchMode is entered, or with arguments of a Tensor subclass.

    Args: torch_dispatch_class: the class, with __torch_dispatch__; it need not know of the operator.
        func: ``func(mode_or_class, func, types, args, kwargs)``; a decorator without.

    >>> from rushlight.utils._python_dispatch import BaseTorchDispatchMode
    >>> class Mode(BaseTorchDispatchMode):
    ...     pass
    >>> torch.library.define("doc::increased", "(Tensor x) -> Tensor")
    >>> torch.library.impl("doc::increased", "cpu", lambda x: x + 1)
    >>> @torch.library.register_torch_dispatch("doc::increased", Mode)
    ... def _(mode, func, types, args, kwargs):
    ...     return func(*args) + 10
    >>> with Mode():
    ...     torch.ops.doc.increased(torch.ones(1))
    tensor([12.])
    """
    if not hasattr(torch_dispatch_class, "__torch_dispatch__"):
        raise ValueError(f"register_torch_dispatch: {torch_dispatch_class} has no __torch_dispatch__")
    overload = overload_of(qualified_name(op))

    def register(func: Callable) -> Callable:
        if torch_dispatch_class not in _dispatch_rules:
            _dispatch_rules[torch_dispatch_class] = {}
            _answer_by_rules(torch_dispatch_class, _dispatch_rules[torch_dispatch_class])
        _dispatch_rules[torch_dispatch_class][overload] = func
        return func

    return register if func is None else register(func)


def _answer_by_rules(cls: type, rules: dict[Any, Callable]) -> None:
    """Has the class's __torch_dispatch__ look for a rule first."""
    own = cls.__torch_dispatch__  # type: ignore[attr-defined]
    if isinstance(cls, type) and issubclass(cls, _C.Tensor):

        def of_class(owner: type, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            rule = rules.get(func)
            found = own.__func__ if hasattr(own, "__func__") else own
            return (
                found(owner, func, types, args, kwargs)
                if rule is None
                else rule(owner, func, types, args, kwargs or {})
            )

        cls.__torch_dispatch__ = classmethod(of_class)  # type: ignore[attr-defined]
        return

    def of_mode(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rule = rules.get(func)
        return own(self, func, types, args, kwargs) if rule is None else rule(self, func, types, args, kwargs or {})

    cls.__torch_dispatch__ = of_mode  # type: ignore[attr-defined]


@contextlib.contextmanager
def _scoped_library(*args: Any, **kwargs: Any) -> Any:
    """A Library whose registrations end with the scope."""
    library = Library(*args, **kwargs)
    try:
        yield library
    finally:
        library._destroy()
