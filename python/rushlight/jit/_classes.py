"""Python classes in scripts: script classes, enums, dataclasses and interfaces."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

from .. import _C
from ..nn import Module
from . import _resolver

_made: dict[type, Any] = {}  # a type each, or the error that making it gave


def is_candidate(cls: Any) -> bool:
    """Whether a class could be one of a script: a program's own, and no module, exception or named tuple."""
    if not isinstance(cls, type) or issubclass(cls, (Module, tuple, BaseException)):
        return False
    module = cls.__module__
    if not isinstance(module, str) or module.partition(".")[0] in (
        "builtins",
        "rushlight",
        "torch",
        "typing",
        "collections",
    ):
        return False
    return getattr(cls, "__torch_script_interface__", None) is None and not getattr(cls, "_is_protocol", False)


def type_of(cls: Any, wanted: bool = False, around: dict[str, Any] | None = None) -> Any:
    """The script type of a class; None where there is none. ``wanted``: what hinders it is raised; ``around``: names that stand where
    it is defined, which its comments may use."""
    interface = getattr(cls, "__torch_script_interface__", None) if isinstance(cls, type) else None
    if interface is not None:
        return interface()
    if not is_candidate(cls):
        return None
    known = _made.get(cls)
    if known is None or (isinstance(known, Exception) and wanted):
        try:
            known = _make_enum(cls) if issubclass(cls, enum.Enum) else _make(cls, around or {})
        except (RuntimeError, OSError, TypeError) as error:
            if wanted:
                _made.pop(cls, None)
                raise
            known = _made[cls] = error
    return None if isinstance(known, Exception) else known


def is_optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint) and typing.get_origin(hint) in (typing.Union, types.UnionType)


def _make_enum(cls: type) -> Any:
    members = [(name, member.value) for name, member in cls.__members__.items()]
    made = _made[cls] = _C._make_enum(_resolver._class_name(cls), cls, members)
    return made


def _make(cls: type, around: dict[str, Any]) -> Any:
    if len(cls.__mro__) > 2:
        raise RuntimeError(
            f"TorchScript class '{cls.__name__}' inherits from {cls.__mro__[1].__name__}: TorchScript does not support "
            "inheritance of classes; derive it from object"
        )
    methods, functions = [], {}
    generated = _dataclass_methods(cls) if dataclasses.is_dataclass(cls) else {}
    for name, value in vars(cls).items():
        if isinstance(value, staticmethod):
            functions[name] = ("static", value.__func__)
        elif isinstance(value, classmethod):
            functions[name] = ("class", getattr(cls, name))
        elif isinstance(value, property):
            if getattr(value.fget, "_torchscript_modifier", "") in ("ignore", "unused"):
                continue
            functions[name] = ("property", value.fget)
            if value.fset is not None:
                functions["$set " + name] = ("method", value.fset)
        elif isinstance(value, types.FunctionType) and name not in generated:
            if getattr(value, "_torchscript_modifier", "") in ("ignore", "unused"):
                functions[name] = ("static", value)
            elif not dataclasses.is_dataclass(cls) or not (_is_generated(value) or name in _NO_SCRIPT):
                methods.append(
                    (name, *_resolver._source(value), {**around, **_resolver._names(value), cls.__name__: cls})
                )
        elif not name.startswith("__") and not callable(value) and name not in getattr(cls, "__dataclass_fields__", ()):
            functions[name] = (
                "hint",
                f"'{name}' is defined as a class attribute, which TorchScript does not support; make it an attribute of the instance, "
                "in __init__",
            )
    for name, (text, names) in generated.items():
        methods.append((name, text, f"<generated {name} of {cls.__name__}>", 1, names))
    made = _made[cls] = _C._make_class(_resolver._class_name(cls), cls, methods, functions, _resolver._resolve)
    _C._finish_class(made)
    return made


_NO_SCRIPT = ("__repr__", "__hash__", "__replace__")  # of what dataclass() writes


def _is_generated(fn: Callable) -> bool:
    return fn.__code__.co_filename.startswith("<")


def _dataclass_methods(cls: type) -> dict[str, tuple[str, dict[str, Any]]]:
    """The methods that dataclass() wrote, as text."""
    names = {**vars(sys.modules.get(cls.__module__, sys)), cls.__name__: cls}
    hints = inspect.get_annotations(cls)
    settings = cls.__dataclass_params__  # type: ignore[attr-defined]
    fields, header, body, defaults, for_init = dataclasses.fields(cls), [], [], {}, []
    optional = set()
    for f in cls.__dataclass_fields__.values():  # type: ignore[attr-defined]
        hint, name = hints.get(f.name, f.type), f"_type_of_{f.name}"
        if f not in fields and not isinstance(hint, dataclasses.InitVar):
            continue  # a variable of the class
        names[name] = hint.type if isinstance(hint, dataclasses.InitVar) else hint
        text = hint if isinstance(hint, str) else name
        if is_optional(hint):
            optional.add(f.name)
        if f.default_factory is not dataclasses.MISSING:
            raise NotImplementedError(
                f"{cls.__name__}.{f.name}: Default factory initializers are not supported in TorchScript dataclasses"
            )
        if f.default is not dataclasses.MISSING:
            defaults[f.name] = f.default
        if f.init:
            header.append(f"{f.name}: {text}" + (" = None" if f.name in defaults else ""))
        if isinstance(hint, dataclasses.InitVar):
            for_init.append(f.name)
        else:
            body.append(f"self.{f.name} = {f.name}")
    made: dict[str, tuple[str, dict[str, Any]]] = {}
    if settings.init and ("__init__" not in vars(cls) or _is_generated(vars(cls)["__init__"])):
        if hasattr(cls, "__post_init__"):
            body.append(f"self.__post_init__({', '.join(for_init)})")
        lines = "\n    ".join(body or ["pass"])
        made["__init__"] = (
            f"def __init__(self, {', '.join(header)}):\n    {lines}\n",
            {**names, "$defaults": defaults},
        )
    compared = [f.name for f in fields if f.compare]
    me = cls.__name__

    def add(method: str, text: str) -> None:
        if method not in vars(cls) or _is_generated(vars(cls)[method]):
            made[method] = (f"def {method}(self, other: {me}) -> bool:\n    {text}\n", names)

    def each(step: str, differ: str) -> str:
        """A step for every field that is compared, of its two values x and y; ``differ`` where only one of them is None."""
        lines = []
        for name in compared:
            lines += [f"x_{name} = self.{name}", f"y_{name} = other.{name}"]
            inner = step.format(x=f"x_{name}", y=f"y_{name}")
            if name in optional:
                lines.append(f"if x_{name} is not None and y_{name} is not None:\n        {inner}")
                lines.append(f"elif (x_{name} is None) != (y_{name} is None):\n        {differ}")
            else:
                lines.append(inner)
        return "\n    ".join(lines)

    if settings.eq:
        add("__eq__", each("if {x} != {y}: return False", "return False") + "\n    return True")
    if settings.order:
        for method, op, equal in (
            ("__lt__", "<", False),
            ("__le__", "<=", True),
            ("__gt__", ">", False),
            ("__ge__", ">=", True),
        ):
            refuse = f"raise TypeError(\"'{op}' not supported between None and a value\")"
            add(method, each(f"if {{x}} != {{y}}: return bool({{x}} {op[0]} {{y}})", refuse) + f"\n    return {equal}")
    return made


def interface(cls: type) -> type:
    """Makes a class an interface: a type of which every class and module is that has its methods.

    A module's attribute annotated with one may be replaced by another module that has them.

    >>> import rushlight as torch
    >>> @torch.jit.interface
    ... class Scaled:
    ...     def scaled(self, x: torch.Tensor) -> torch.Tensor:
    ...         pass
    """
    if not inspect.isclass(cls):
        raise RuntimeError("interface must be applied to a class")
    bases = [b for b in cls.__mro__[1:] if b not in (object, Module)]
    if len(cls.__mro__) != 2 and not (cls.__mro__[1] is Module and not bases):
        if not issubclass(cls, Module) or cls.__mro__[1] is not Module:
            raise RuntimeError(
                "TorchScript interface does not support inheritance yet. Please directly inherit from 'object' or 'nn.Module'."
            )
    made: list[Any] = []

    def script_type() -> Any:
        if not made:
            methods = [
                (name, *_resolver._source(fn), _resolver._names(fn))
                for name, fn in vars(cls).items()
                if isinstance(fn, types.FunctionType)
            ]
            made.append(
                _C._make_interface(_resolver._class_name(cls), issubclass(cls, Module), methods, _resolver._resolve)
            )
        return made[0]

    cls.__torch_script_interface__ = staticmethod(script_type)  # type: ignore[attr-defined]
    return cls
