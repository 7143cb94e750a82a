"""Questions about operators and their names."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._ops import FunctionSchema, parse_schema
from .registry import overload_of

__all__ = ["is_functional_schema", "is_tensor_like_type", "is_tensorlist_like_type", "lookup_op", "parse_namespace"]


def parse_namespace(qualname: str) -> tuple[str, str]:
    """Namespace and name of an operator. ValueError for what is no such name."""
    namespace, colons, name = qualname.partition("::")
    if not colons or "::" in name:
        raise ValueError(f'Expected `qualname` to be of the form "namespace::name", but got {qualname}')
    return namespace, name


def lookup_op(qualname: str) -> Any:
    """The overload of that name.

    >>> lookup_op("aten::add.Tensor")
    <OpOverload(op='aten.add', overload='Tensor')>
    """
    parse_namespace(qualname)
    return overload_of(qualname)


def is_functional_schema(schema: Any) -> bool:
    """Whether calls write to no argument and give nothing that shares memory with one.

    >>> is_functional_schema("mine::f(Tensor x) -> Tensor"), is_functional_schema("mine::f_(Tensor(a!) x) -> Tensor(a!)")
    (True, False)
    """
    parsed: FunctionSchema = parse_schema(schema) if isinstance(schema, str) else schema
    return (
        bool(parsed.returns) and not parsed.is_mutable and all(r.alias_info is None for r in parsed.returns)
    )  # fmt: skip


def is_tensorlist_like_type(type_: Any) -> bool:
    """Whether a schema's type is a list of tensors, or of tensors and None."""
    return str(type_) in ("List[Tensor]", "List[Optional[Tensor]]", "Optional[List[Tensor]]")


def is_tensor_like_type(type_: Any) -> bool:
    """Whether a schema's type is a tensor, or one or None."""
    return str(type_) in ("Tensor", "Optional[Tensor]")


def has_kernel_for_any_dispatch_key(qualname: str, keys: Any) -> bool:
    """Whether an operator has a kernel of its own for one of these keys."""
    return bool({str(k).removeprefix("DispatchKey.") for k in keys} & set(_C._op_kernels(qualname)))
