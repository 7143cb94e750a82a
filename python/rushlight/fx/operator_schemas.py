"""Signatures of operators and modules: which argument of a call is which."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import rushlight as rl
from rushlight._ops import OpOverload, OpOverloadPacket

__all__ = [
    "ArgsKwargsPair", "check_for_mutable_operation", "create_type_hint", "get_signature_for_torch_op", "normalize_function",
    "normalize_module", "type_matches",
]  # fmt: skip


class ArgsKwargsPair(NamedTuple):
    """Arguments of a call."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


# What an argument of a schema's type may be.
_TYPES: dict[str, Any] = {
    "Tensor": rl.Tensor, "Scalar": float | int | bool | complex, "int": int, "SymInt": int, "float": float, "bool": bool, "str": str,
    "Device": rl.device, "ScalarType": rl.dtype, "Layout": rl.layout, "MemoryFormat": rl.memory_format, "Generator": rl.Generator,
    "Dimname": str, "Storage": rl.UntypedStorage, "number": float | int | bool | complex,
}  # fmt: skip


def _type_of(text: str) -> Any:
    """The Python type of a schema's type, such as `Tensor(a!)?`, `int[2]` or `Tensor?[]`."""
    text = text.partition("(")[0] + text.partition(")")[2]
    if text.endswith("?"):
        return typing.Optional[_type_of(text[:-1])]  # noqa: UP045
    if text.endswith("]"):
        return list[_type_of(text[: text.rindex("[")])]  # type: ignore[misc]
    return _TYPES.get(text, Any)


def _signature_of(schema) -> inspect.Signature:
    parameters = []
    for a in schema.arguments:
        by_name = a.kwarg_only or any(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters)
        has = (
            a.has_default_value()
            if hasattr(a, "has_default_value")
            else a.default_value is not None or str(a.type)[-1:] == "?"
        )
        name = "input" if a.name == "self" else a.name
        parameters.append(
            inspect.Parameter(
                "from_" if name == "from" else name,
                inspect.Parameter.KEYWORD_ONLY if by_name else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=a.default_value if has else inspect.Parameter.empty,
                annotation=_type_of(str(a.type)),
            )
        )
    # Parameters without a default after some with one can be given by name only.
    seen = False
    for i, p in enumerate(parameters):
        seen = seen or p.default is not inspect.Parameter.empty
        if seen and p.default is inspect.Parameter.empty and p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            parameters[i:] = [q.replace(kind=inspect.Parameter.KEYWORD_ONLY) for q in parameters[i:]]
            break
    return inspect.Signature(parameters)


def _schemas_of(op: Any) -> list[Any]:
    """The schemas of an operator, or of the function that calls it; none for what is no operator."""
    if isinstance(op, OpOverload):
        return [op._schema]
    if isinstance(op, OpOverloadPacket):
        return [getattr(op, name)._schema for name in op.overloads()]
    if isinstance(op, types.FunctionType) and not (op.__module__ or "").startswith("rushlight"):
        return []
    native = type(op).__name__ in ("builtin_operator", "overridable")
    packet = (
        getattr(rl.ops.aten, op.__name__, None)
        if native or (op.__module__ or "") in ("_operator", "operator")
        else None
    )
    return [] if packet is None else [getattr(packet, name)._schema for name in packet.overloads()]


def get_signature_for_torch_op(op: Callable, return_schemas: bool = False):
    """The signatures that an operator's function takes, one for each overload; None where it is no operator.

    With return_schemas a pair: signatures and schemas.
    """
    try:
        schemas = _schemas_of(op)
    except (AttributeError, RuntimeError):
        schemas = []
    if not schemas:
        return (None, None) if return_schemas else None
    signatures = [_signature_of(s) for s in schemas]
    return (signatures, schemas) if return_schemas else signatures


def create_type_hint(x: Any) -> Any:
    """For a list or tuple of types the type of such lists and tuples; anything else as it is."""
    if not isinstance(x, (list, tuple)):
        return x
    made = (lambda t: list[t]) if isinstance(x, list) else (lambda t: tuple[t, ...])
    if not x:
        return made(Any)  # type: ignore[no-untyped-call]
    for base in x:
        if all(inspect.isclass(t) and inspect.isclass(base) and issubclass(t, base) for t in x):
            return made(base)  # type: ignore[no-untyped-call]
    return made(Any)  # type: ignore[no-untyped-call]


def type_matches(signature_type: Any, argument_type: Any) -> bool:
    """Whether an argument of a type may be given where the signature has another."""
    if signature_type is argument_type or signature_type in (Any, inspect.Parameter.empty):
        return True
    origin = typing.get_origin(signature_type)
    if origin in (typing.Union, types.UnionType):
        return any(type_matches(t, argument_type) for t in typing.get_args(signature_type))
    if origin is list:
        (inner,) = typing.get_args(signature_type)
        given = typing.get_args(argument_type)
        if typing.get_origin(argument_type) in (list, tuple):
            return all(type_matches(inner, t) for t in given if t is not ...)
        return inner is int and argument_type is int  # one number for each dimension
    if signature_type is float and argument_type is int:
        return True
    if inspect.isclass(argument_type) and inspect.isclass(signature_type):
        return issubclass(argument_type, signature_type)
    return False


def check_for_mutable_operation(target: Any, args: tuple, kwargs: dict) -> None:
    """RuntimeError for a call that writes to its arguments: those are not recorded in order with their other uses."""
    signatures, schemas = get_signature_for_torch_op(target, return_schemas=True)
    if not signatures:
        return
    fitting = []
    for signature, schema in zip(signatures, schemas, strict=True):
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            continue
        if schema.is_mutable:
            fitting.append((schema, True))
        else:
            fitting.append((schema, False))
    if fitting and all(mutable for _, mutable in fitting):
        schema = fitting[0][0]
        raise RuntimeError(
            f"Tried to trace mutable operation {schema}. FX only supports functional code, so operations that mutate operands "
            "in-place (e.g. via `out` arguments) are not supported"
        )


def _by_signature(signature: inspect.Signature, args, kwargs, only_kwargs: bool) -> ArgsKwargsPair:
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    by_place: list[Any] = []
    by_name: dict[str, Any] = {}
    for i, (name, parameter) in enumerate(signature.parameters.items()):
        value = bound.arguments[name]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            by_place.extend(value)
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            by_name.update(value)
        elif not only_kwargs and i < len(args) and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            by_place.append(value)
        else:
            by_name[name] = value
    return ArgsKwargsPair(tuple(by_place), by_name)


def normalize_function(
    target: Callable, args: tuple, kwargs: dict | None = None, arg_types=None, kwarg_types=None,
    normalize_to_only_use_kwargs: bool = False,
) -> ArgsKwargsPair | None:  # fmt: skip
    """The arguments of a call with defaults filled in, or all by name; None where it isn't known which overload is meant.

    >>> normalize_function(rl.nn.functional.relu, (1,), normalize_to_only_use_kwargs=True).kwargs
    {'input': 1, 'inplace': False}
    """
    kwargs = kwargs or {}
    function = getattr(target, "__wrapped__", target)
    if isinstance(function, types.FunctionType):
        try:
            return _by_signature(inspect.signature(function), args, kwargs, normalize_to_only_use_kwargs)
        except TypeError:
            return None
    fitting = []
    for signature in get_signature_for_torch_op(target) or ():
        try:
            signature.bind(*args, **kwargs)
        except TypeError:
            continue
        fitting.append(signature)
    if len(fitting) > 1 and (arg_types is not None or kwarg_types is not None):
        given = [create_type_hint(t) for t in arg_types or ()]
        named = {k: create_type_hint(t) for k, t in (kwarg_types or {}).items()}

        def matches(signature) -> bool:
            bound = signature.bind(*given, **named)
            return all(type_matches(signature.parameters[n].annotation, t) for n, t in bound.arguments.items())

        fitting = [s for s in fitting if matches(s)][:1]
    elif len(fitting) > 1:
        whole = [s for s in fitting if "out" not in s.parameters]
        fitting = whole if len(whole) == 1 else []
    return _by_signature(fitting[0], args, kwargs, normalize_to_only_use_kwargs) if len(fitting) == 1 else None


def normalize_module(
    root: rl.nn.Module, target: str, args: tuple, kwargs: dict | None = None, normalize_to_only_use_kwargs: bool = False
) -> ArgsKwargsPair | None:
    """The arguments of a call of a module of torch.nn with defaults filled in, or all by name; None for other modules."""
    module = root.get_submodule(target)
    if getattr(rl.nn, type(module).__name__, None) is not type(module):
        return None
    try:
        return _by_signature(inspect.signature(module.forward), args, kwargs or {}, normalize_to_only_use_kwargs)
    except TypeError:
        return None
