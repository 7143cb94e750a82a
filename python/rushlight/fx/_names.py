"""How functions and types are called in generated code, and names for nodes that are free there."""

from __future__ import annotations

import builtins
import enum
import keyword
import math
import re
import types
import typing
from typing import Any

import rushlight as rl

# What generated code can name without an import.
CUSTOM_BUILTINS: dict[str, tuple[str, Any]] = {}


def register_custom_builtin(name: str, import_str: str, obj: Any) -> None:
    """Makes `obj` known to generated code as `name`; `import_str` is what a file with such code begins with."""
    CUSTOM_BUILTINS[name] = import_str, obj


register_custom_builtin("inf", "from math import inf", math.inf)
register_custom_builtin("nan", "from math import nan", math.nan)
register_custom_builtin("NoneType", "NoneType = type(None)", type(None))
register_custom_builtin("torch", "import torch", rl)
register_custom_builtin("device", "from torch import device", rl.device)
register_custom_builtin("fx_pytree", "import torch.fx._pytree as fx_pytree", None)  # set where it is imported
register_custom_builtin("pytree", "import torch.utils._pytree as pytree", None)


class Namespace:
    """Names, each given once: `x`, `x_1`, `x_2`, ..."""

    def __init__(self):
        self._names: dict[Any, str] = {}  # by object
        self._used: set[str] = set()
        self._last: dict[str, int] = {}

    def create_name(self, candidate: str, obj: Any = None) -> str:
        """A free name like `candidate`; the one that obj has already, if it has."""
        if obj is not None and obj in self._names:
            return self._names[obj]
        candidate = re.sub(r"[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = "_" + candidate
        parts = re.fullmatch(r"(.*)_(\d+)", candidate)
        base, number = (parts[1], int(parts[2])) if parts else (candidate, 0)
        if not number:
            number = self._last.get(base, 0)
        name = candidate
        while name in self._used or self._taken(name, obj):
            number += 1
            name = f"{base}_{number}"
        self._used.add(name)
        self._last[base] = number
        if obj is not None:
            self._names[obj] = name
        return name

    def associate_name_with_obj(self, name: str, obj: Any) -> None:
        """Notes that obj has this name."""
        self._names[obj] = name

    def _rename_object(self, obj: Any, name: str) -> None:
        self._names[obj] = name
        self._used.add(name)

    def release(self, name: str) -> None:
        self._used.discard(name)

    @staticmethod
    def _taken(name: str, obj: Any) -> bool:
        if keyword.iskeyword(name):
            return True
        if name in builtins.__dict__:
            return obj is not builtins.__dict__[name]
        return name in CUSTOM_BUILTINS and obj is not CUSTOM_BUILTINS[name][1]


def snake_case(s: str) -> str:
    """maxPool -> max_pool."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", s).lower()


def target_name(target: Any) -> str:
    """What a node that calls `target` is called."""
    name = target.__name__ if callable(target) else target
    if name.startswith("__") and name.endswith("__") and len(name) > 4:
        name = name[2:-2]
    return snake_case(name)


def torch_name(module: str) -> str:
    """Generated code knows this package as torch."""
    return "torch" + module[len("rushlight") :] if module.split(".")[0] == "rushlight" else module


def _homes():
    """Where the operators are public, by PyTorch's names."""
    from ..nn import functional

    yield "torch", rl
    yield "torch.nn.functional", functional
    for name in ("special", "linalg", "fft", "_C._nn"):
        module = rl
        for part in name.split("."):
            module = getattr(module, part, None)
        if module is not None:
            yield f"torch.{name}", module


def find_module_of_method(function: Any) -> str:
    """The module, by its name in generated code, where a function is found under its own name."""
    name, module = function.__name__, getattr(function, "__module__", None)
    if module is not None and module.split(".")[0] not in ("rushlight", "torch"):
        return module
    for home, where in _homes():
        if getattr(where, name, None) is function:
            return home
    if module is None:
        raise RuntimeError(f"cannot find module for {function}")
    return torch_name(module)


def get_qualified_name(function: Any) -> str:
    """`torch.relu`, `getattr`, `operator.add`, `module.function`."""
    name = getattr(function, "__name__", None)
    if name is None:
        raise RuntimeError(f"cannot name {function!r}: a call_function target needs a __name__")
    if getattr(builtins, name, None) is function:
        return name
    if isinstance(function, (types.MethodDescriptorType, types.WrapperDescriptorType)) or (
        type(function).__name__ == "operator_method"
    ):
        return f"torch.Tensor.{name}"
    module = getattr(function, "__module__", None) or ""
    if module.startswith("torch.ops"):
        return f"{module}.{name}"
    if isinstance(function, types.FunctionType) and name == "<lambda>":
        import inspect

        try:
            name = inspect.getsource(function).split("=")[0].strip()
        except Exception as e:
            raise RuntimeError("Unable to represent lambda") from e
    topic, _, short = name.partition("_")
    if topic in ("special", "linalg", "fft") and getattr(getattr(rl, topic), short, None) is function:
        return f"torch.{topic}.{short}"
    home = find_module_of_method(function)
    return f"{home.replace('torch._ops', 'torch.ops')}.{name}"


def type_repr(obj: Any) -> str:
    """How types are shown: `int`, `torch.Tensor`, `typing.List[int]`."""
    if isinstance(obj, type) and not isinstance(obj, types.GenericAlias):
        return obj.__qualname__ if obj.__module__ == "builtins" else f"{torch_name(obj.__module__)}.{obj.__qualname__}"
    if obj is ...:
        return "..."
    return obj.__name__ if isinstance(obj, types.FunctionType) else repr(obj).replace("rushlight.", "torch.")


class Imports:
    """What generated code refers to: global names and their objects."""

    def __init__(self, namespace: Namespace, module_names: dict[str, Any]):
        self.namespace, self.globals = namespace, module_names

    def add(self, hint: str, obj: Any) -> str:
        """The expression that gives `obj`."""
        home = getattr(obj, "__module__", None) or ""
        # torch.Tensor says that it is of torch, where the program imports that name.
        named = home != "torch" or isinstance(obj, type)
        if (home.split(".")[0] in ("rushlight", "torch") and named) or home.startswith("torch.ops"):
            path = get_qualified_name(obj) if callable(obj) and not isinstance(obj, type) else type_repr(obj)
            found: Any = rl
            for part in path.split(".")[1:]:
                found = getattr(found, part, None)
            if path.startswith("torch.") and found is not None and (found is obj or home.startswith("torch.ops")):
                self.globals.setdefault("torch", rl)
                return path
        hint = hint.replace(".", "_")
        if hint in self.globals and self.globals[hint] is obj:
            return hint
        try:
            name = self.namespace.create_name(hint, obj)
        except TypeError:  # what has no hash has no name yet
            name = self.namespace.create_name(hint)
        self.globals[name] = obj
        return name

    def type(self, o: Any) -> str:
        """The expression of a type annotation."""
        if o == ():
            return "()"
        shown = type_repr(o)
        if isinstance(o, types.UnionType):
            return "|".join(self.type(a) for a in o.__args__)
        origin = getattr(o, "__origin__", None)
        if origin is None:
            return self.add(shown, o)
        origin = TYPING.get(origin, origin)
        # By the names that scripts know: List, Dict, Optional, ...
        named = getattr(origin, "_name", None) if getattr(origin, "__module__", "") == "typing" else None
        base = type_repr(origin) if isinstance(origin, type) else named or shown.split("[")[0]
        arguments = [self.type(a) for a in getattr(o, "__args__", ()) if not isinstance(a, typing.TypeVar)]
        name = self.add(base, origin)
        if not arguments:
            return f"{name}[()]" if o in (tuple[()],) or "[()]" in shown else name
        return f"{name}[{','.join(arguments)}]"


TYPING = {list: typing.List, dict: typing.Dict, set: typing.Set, frozenset: typing.FrozenSet, tuple: typing.Tuple}  # noqa: UP006


def is_enum(arg: Any) -> bool:
    return isinstance(arg, enum.Enum)
