"""Library: a set of definitions and kernels that goes as one."""

from __future__ import annotations

import functools
import os
import re
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from .. import _C
from .._c_names import DispatchKeySet
from .._ops import OpOverload, OpOverloadPacket, ops, tags_of

_RESERVED = ("prim",)
_HERE = os.path.dirname(os.path.dirname(__file__))


def caller() -> str:
    """Where the code stands that called into this package, for errors."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"registered at {frame.f_code.co_filename}:{frame.f_lineno}"


def qualified_name(op: Any) -> str:
    """The name of an operator given as text, packet, overload or custom operator."""
    if isinstance(op, OpOverload):
        return op._name
    if isinstance(op, OpOverloadPacket):
        return op._qualified_op_name
    return getattr(op, "_qualname", op)


def overload_of(name: str) -> OpOverload:
    """The overload of that name. Raises RuntimeError if there is none."""
    base, _, overload = name.partition(".")
    namespace, colons, bare = base.partition("::")
    if not colons or _C._op_schema(name) is None:
        raise RuntimeError(f"operator {name} does not exist{_C._op_near(name)}")
    return getattr(getattr(getattr(ops, namespace), bare), overload or "default")


def dispatch_key_of(device_type: str) -> str:
    """The key of a device's kernels. Raises RuntimeError for what is no device."""
    kind = _C.device(device_type).type
    return {"cpu": "CPU", "cuda": "CUDA", "meta": "Meta"}.get(kind, "PrivateUse1")


def key_of(types: str) -> str:
    """The key that torch.library.impl means by a device's type, "default" or a key itself."""
    if types == "default":
        return "CompositeExplicitAutograd"
    return types if types[:1].isupper() else dispatch_key_of(types)


def _drop(handle: Any, namespace: str, defined: set[str]) -> None:
    handle.drop()
    for name in defined:
        ops.__dict__.get(namespace, _Nothing)._forget(name.partition(".")[0])


class below_autograd:
    """Inside, calls go to the kernels below autograd: nothing is recorded."""

    def __enter__(self) -> None:
        self._no_grad = _C.no_grad()
        self._no_grad.__enter__()
        self._before = _C._set_below_autograd(True)

    def __exit__(self, *exc: Any) -> None:
        _C._set_below_autograd(self._before)
        self._no_grad.__exit__(*exc)


# Where programs for PyTorch look.
_C._AutoDispatchBelowAutograd = below_autograd  # type: ignore[attr-defined]


class _Nothing:
    @staticmethod
    def _forget(name: str) -> None:
        pass


# Keys of devices that PyTorch may have and rushlight never has: kernels for them are taken, and nothing asks for them.
_ELSEWHERE = re.compile(
    "(Autograd|Autocast|Quantized|NestedTensor|Sparse|SparseCsr)?(XPU|MPS|HPU|IPU|Lazy|XLA|VE|MAIA|MTIA|HIP|PrivateUse[23])"
)


class Library:
    """Defines operators of a namespace and registers kernels; what it registered goes when it does.

    Args:
        ns: the namespace.
        kind: "DEF" (the only one that defines the namespace), "FRAGMENT" (adds to one) or "IMPL" (kernels only).
        dispatch_key: what kernels are for unless ``impl`` says so. Default: CompositeImplicitAutograd.

    >>> lib = torch.library.Library("library_doc", "DEF")
    >>> lib.define("twice(Tensor x) -> Tensor")
    'twice'
    >>> lib.impl("twice", lambda x: x * 2, "CompositeImplicitAutograd")
    >>> torch.ops.library_doc.twice(torch.ones(2))
    tensor([2., 2.])
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = ""):
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        if ns in _RESERVED and kind != "IMPL":
            raise ValueError(f"{ns} is a reserved namespace. Please try creating a library with another name.")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key
        self._op_defs: set[str] = set()
        self.m: Any = _C._Library(kind, ns, caller())
        self._finalizer = weakref.finalize(self, _drop, self.m, ns, self._op_defs)
        self._finalizer.atexit = False

    def __repr__(self) -> str:
        return f"Library(kind={self.kind}, ns={self.ns}, dispatch_key={self.dispatch_key})>"

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Adds an operator; returns its name. ``alias_analysis="CONSERVATIVE"``: calls may do what the schema doesn't say."""
        if alias_analysis not in ("", "FROM_SCHEMA", "CONSERVATIVE"):
            raise RuntimeError(f"Invalid alias_analysis type {alias_analysis}")
        name = self.m.define(schema, alias_analysis == "CONSERVATIVE")
        bare = name.partition("::")[2] or name
        self._op_defs.add(bare)
        tags_of[name if "::" in name else f"aten::{name}"] = list(tags) if isinstance(tags, (list, tuple)) else [tags]
        ops.__dict__.get(self.ns, _Nothing)._forget(bare.partition(".")[0])
        return bare

    def impl(
        self,
        op_name: str | OpOverload,
        fn: Callable | None,
        dispatch_key: str = "",
        *,
        with_keyset: bool = False,
        allow_override: bool = False,
    ) -> None:
        """Registers ``fn`` as the operator's kernel for a dispatch key."""
        if fn is not None and not callable(fn):
            raise TypeError(f"Input function is required to be a callable but found type {type(fn)}")
        if isinstance(op_name, OpOverload):
            name = op_name._name
        elif isinstance(op_name, str):
            name = op_name
        else:
            raise RuntimeError(
                f"impl should be passed either a name or an OpOverload object as the first argument, got {type(op_name)}"
            )
        if self.dispatch_key and dispatch_key and dispatch_key != self.dispatch_key:
            raise RuntimeError(
                f'impl("{name}", ...): Explicitly provided dispatch key ({dispatch_key}) is inconsistent with the '
                f"dispatch key of the enclosing TORCH_LIBRARY_IMPL block ({self.dispatch_key}). Please declare a separate "
                "Library for this dispatch key and move your impl() there."
            )
        if fn is fallthrough_kernel:
            fn = None
        elif with_keyset and fn is not None:
            fn = functools.partial(fn, DispatchKeySet())

        key = dispatch_key or self.dispatch_key
        if not _ELSEWHERE.fullmatch(key):
            self.m.impl(name, fn, key)

    def _destroy(self) -> None:
        """Takes away all that this library registered. Calls of its operators are errors from then on."""
        self._finalizer()
        self._op_defs.clear()


def fallthrough_kernel() -> None:
    """Registered as a kernel it stands for none: the next one in order runs."""
    raise NotImplementedError("fallthrough_kernel() should never be called.")


# Registrations through functions, which no Library object stands for, live as long as the process.
_kept: dict[str, Library] = {}


def kept_library(ns: str, lib: Library | None) -> Library:
    if lib is not None:
        return lib
    if ns not in _kept:
        _kept[ns] = Library(ns, "FRAGMENT")
    return _kept[ns]


def device_types(given: str | Sequence[str] | None) -> list[str | None]:
    return [given] if given is None or isinstance(given, str) else list(given)
