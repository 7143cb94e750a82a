"""torch.ops: every operator by namespace and name, those of libraries too."""

from __future__ import annotations

import enum
import importlib
import os
import types
from collections.abc import Iterator
from typing import Any

from . import _C

Tag = enum.Enum(
    "Tag",
    "core cudagraph_unsafe data_dependent_output dynamic_output_shape flexible_layout generated inplace inplace_view "
    "maybe_aliasing_or_mutating needs_contiguous_strides needs_exact_strides needs_fixed_stride_order "
    "nondeterministic_bitwise nondeterministic_seeded out out_variant pointwise pt2_compliant_tag reduction view_copy",
)
Tag.__doc__ = "What an operator says of itself to compilers; kept with it, and not used yet."
tags_of: dict[str, list] = {}  # by the operator's name


class AliasInfo:
    """Which memory an argument or a result shares, and whether it is written to."""

    def __init__(self, name: str, is_write: bool):
        self.is_write = is_write
        self.before_set = self.after_set = {name}


class Argument:
    """An argument or a result of a schema."""

    def __init__(self, described: dict):
        self.name: str = described["name"]
        self.schema_type: str = described["type"]
        self.kwarg_only: bool = described["kwarg_only"]
        self._has_default: bool = described["has_default"]
        self.default_value = described["default"]
        self.N = described["list_size"] or None
        self.alias_info = (
            AliasInfo(described["alias_set"] or "a", described["is_write"])
            if described["is_alias"] or described["is_write"]
            else None
        )
        self.is_out = self.kwarg_only and described["is_write"]

    def has_default_value(self) -> bool:
        return self._has_default

    @property
    def type(self) -> Any:
        """The type as an object: torch.TensorType, torch.ListType, ..."""
        from .jit._types import parsed

        return parsed(self.schema_type)

    real_type = type


class FunctionSchema:
    """A parsed schema; its text is what Library.define takes, with the namespace."""

    def __init__(self, described: tuple):
        self.name, self.overload_name, arguments, returns, self._text = described
        self.arguments = [Argument(a) for a in arguments]
        self.returns = [Argument(r) for r in returns]

    @property
    def is_mutable(self) -> bool:
        return any(a.alias_info is not None and a.alias_info.is_write for a in self.arguments)

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FunctionSchema) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def parse_schema(schema: str) -> FunctionSchema:
    """A schema's text, taken apart. RuntimeError if it is none.

    >>> parse_schema("mine::scale(Tensor x, float by=2) -> Tensor").arguments[1].default_value
    2.0
    """
    return FunctionSchema(_C._parse_schema(schema))


class OpOverload:
    """One overload of an operator: torch.ops.aten.add.Tensor."""

    def __init__(self, packet: OpOverloadPacket, overload: str):
        self._overloadpacket = packet
        self._overloadname = overload or "default"
        self._name = packet._qualified_op_name + (f".{overload}" if overload else "")
        self._opname, self.namespace = packet.__name__, packet._qualified_op_name.split("::")[0]
        self._namespace = self.namespace
        self._op = _C._Operator(self._name, True, self)
        described = _C._op_schema(self._name)
        if described is None:
            raise AttributeError(f"no operator is named {self._name}")
        self._schema = FunctionSchema(described)
        self.__name__ = f"{self._opname}.{self._overloadname}"
        self.__qualname__, self.__module__ = self._name, packet.__module__
        self.tags: list = tags_of.get(self._name, [])

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    @property
    def op(self) -> Any:
        return self._op

    @property
    def overloadpacket(self) -> OpOverloadPacket:
        return self._overloadpacket

    @property
    def is_view(self) -> bool:
        arguments = self._schema.arguments
        return any(a.alias_info is not None for a in arguments) and not self._schema.is_mutable

    def name(self) -> str:
        return self._name

    def redispatch(self, keyset: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Calls the kernel below autograd."""
        return self._op.below_autograd(*args, **kwargs)

    def has_kernel_for_dispatch_key(self, key: Any) -> bool:
        return str(key).removeprefix("DispatchKey.") in _C._op_kernels(self._name)

    def __str__(self) -> str:
        return f"{self._namespace}.{self._opname}.{self._overloadname}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self._namespace}.{self._opname}', overload='{self._overloadname}')>"

    def __deepcopy__(self, memo: Any = None) -> OpOverload:
        return self

    def __reduce__(self) -> tuple:
        return getattr, (self._overloadpacket, self._overloadname)


class OpOverloadPacket:
    """An operator with all its overloads, of which a call takes the first that fits: torch.ops.aten.add."""

    def __init__(self, namespace: str, name: str):
        self._qualified_op_name = f"{namespace}::{name}"
        self.__name__ = name
        self.__qualname__, self.__module__ = self._qualified_op_name, f"torch.ops.{namespace}"
        self._namespace = namespace
        self._op = _C._Operator(self._qualified_op_name, False, self)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._op(*args, **kwargs)

    @property
    def op(self) -> Any:
        return self._op

    def overloads(self) -> list[str]:
        return [name or "default" for name in _C._op_overloads(self._qualified_op_name)]

    @property
    def _schemas(self) -> dict[str, FunctionSchema]:
        names = _C._op_overloads(self._qualified_op_name)
        return {n: FunctionSchema(_C._op_schema(self._qualified_op_name + (f".{n}" if n else ""))) for n in names}

    def __getattr__(self, key: str) -> OpOverload:
        if key.endswith("hacked_twin"):  # PyTorch's forms without None among the indices, which the others take too
            return getattr(self, key.removesuffix("hacked_twin").removesuffix("_") or "default")
        if key.startswith("__") or key not in self.overloads():
            where = f"{self.__dict__.get('_namespace')}.{self.__dict__.get('__name__')}"
            raise AttributeError(f"The underlying op of '{where}' has no overload name '{key}'")
        overload = OpOverload(self, "" if key == "default" else key)
        setattr(self, key, overload)
        return overload

    def __iter__(self) -> Iterator[str]:
        return iter(self.overloads())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.overloads()]

    def __str__(self) -> str:
        return f"{self._namespace}.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"

    def __deepcopy__(self, memo: Any = None) -> OpOverloadPacket:
        return self

    def __reduce__(self) -> tuple:
        return getattr, (getattr(ops, self._namespace), self.__name__)


class _OpNamespace(types.ModuleType):
    """The operators of one namespace."""

    def __init__(self, name: str):
        super().__init__(f"torch.ops.{name}")
        self.name = name

    __file__ = "torch.ops"

    def __getattr__(self, op_name: str) -> OpOverloadPacket:
        if op_name.startswith("__") or not _C._op_overloads(f"{self.name}::{op_name}"):
            near = "" if op_name.startswith("__") else _C._op_near(f"{self.name}::{op_name}")
            raise AttributeError(f"'_OpNamespace' '{self.name}' object has no attribute '{op_name}'{near}")
        packet = OpOverloadPacket(self.name, op_name)
        setattr(self, op_name, packet)
        return packet

    def __dir__(self) -> list[str]:
        prefix = f"{self.name}::"
        return sorted(s.removeprefix(prefix) for s in _C._op_names() if s.startswith(prefix))

    def _forget(self, op_name: str) -> None:
        self.__dict__.pop(op_name, None)

    def __reduce__(self) -> tuple:
        return getattr, (ops, self.name)


class _Ops(types.ModuleType):
    """torch.ops. Attributes are namespaces, whose attributes are operators.

    >>> torch.ops.aten.add(torch.ones(2), 1)
    tensor([2., 2.])
    >>> torch.ops.aten.add.Tensor
    <OpOverload(op='aten.add', overload='Tensor')>
    """

    __file__ = "_ops.py"

    def __init__(self) -> None:
        super().__init__("torch.ops")
        self.loaded_libraries: set[str] = set()

    def __getattr__(self, name: str) -> _OpNamespace:
        if name.startswith("__"):
            raise AttributeError(f"module 'torch.ops' has no attribute '{name}'")
        namespace = _OpNamespace(name)
        setattr(self, name, namespace)
        return namespace

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(s.split("::")[0] for s in _C._op_names())})

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dir__())

    def load_library(self, path: str | os.PathLike) -> None:
        """Loads a shared library whose ``TORCH_LIBRARY`` blocks register operators.

        Raises OSError if it can't be loaded, and RuntimeError if it registers something that can't be: then nothing of it stays.
        """
        path = os.path.realpath(os.fspath(path))
        _C._load_library(path)
        self.loaded_libraries.add(path)

    def import_module(self, module: str) -> None:
        """Imports a module that registers operators."""
        importlib.import_module(module)

    def __reduce__(self) -> str:
        return "ops"


ops = _Ops()
