"""How names, types and functions of Python become those of a script: what the compiler asks of the front end."""

from __future__ import annotations

import ast
import builtins
import cmath
import collections
import contextlib
import enum
import functools
import inspect
import itertools
import math
import re
import sys
import textwrap
import threading
import types
import typing
import warnings
import weakref
from typing import Any

from .. import _C, _functional
from .._legacy import _TypedTensorMeta
from .._library.registry import qualified_name
from .._ops import OpOverload, OpOverloadPacket
from .._overloads import overloads_of
from ..nn.parameter import Parameter
from . import _async, _marks, _modules  # _modules imports this module: its names are there when the compiler asks

_compiled: dict[Any, Any] = {}
_defined: dict[Any, Any] = {}
_compiling = threading.local()
_ignoring: weakref.WeakKeyDictionary[Any, tuple[str, dict[str, Any]]] = weakref.WeakKeyDictionary()


def _names(fn) -> dict[str, Any]:
    """What the names in a function's body stand for: closure over globals; and "$defaults", values of its parameters."""
    own = inspect.unwrap(fn)  # whose source is read, where a decorator of another module stands around it
    names = dict(fn.__globals__) if own is fn else {**fn.__globals__, **getattr(own, "__globals__", {})}
    names["$defaults"] = {
        name: p.default
        for name, p in inspect.signature(fn).parameters.items()
        if p.default is not inspect.Parameter.empty
    }
    for annotation in fn.__annotations__.values():  # a local class is named by annotations alone
        _add_classes(annotation, names)
    _add_aliases(own, names)
    if "_IgnoreContextManager" in fn.__code__.co_names:
        names.update(_without_ignored(fn, textwrap.dedent(inspect.getsource(fn)))[1])
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not yet filled
            pass
    return names


def _add_classes(annotation: Any, names: dict[str, Any]) -> None:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        names.setdefault(annotation.__name__, annotation)
    for part in typing.get_args(annotation):
        _add_classes(part, names)


def _add_aliases(fn: Any, names: dict[str, Any]) -> None:
    """Local names of types that only annotations have: in ``def f(x: T)`` what T is, is known from the function's annotations."""
    if "<locals>" not in fn.__qualname__:  # its globals have all names
        return
    if not any(isinstance(a, type) or typing.get_args(a) for a in fn.__annotations__.values()):
        return
    with contextlib.suppress(OSError, SyntaxError):
        tree = ast.parse(_source(fn)[0])
        written = getattr(tree.body[0], "args", None)
        if written is None:
            return
        spots = {a.arg: a.annotation for a in (*written.posonlyargs, *written.args, *written.kwonlyargs)}
        for name, spot in {**spots, "return": getattr(tree.body[0], "returns", None)}.items():
            if isinstance(spot, ast.Name) and name in fn.__annotations__:
                names.setdefault(spot.id, fn.__annotations__[name])


def _source(fn) -> tuple[str, str, int]:
    try:
        lines, first = inspect.getsourcelines(fn)
    except (OSError, TypeError) as error:
        raise OSError(
            f"Can't get source for {fn}. TorchScript requires source access in order to compile; put the function in a file."
        ) from error
    text = textwrap.dedent("".join(lines))
    return _without_ignored(fn, text)[0], inspect.getsourcefile(fn) or "<unknown>", first


def _without_ignored(fn: Any, text: str) -> tuple[str, dict[str, Any]]:
    """A function's text in which blocks of ``with torch.jit._IgnoreContextManager(a="inp:int", b="out:int")`` are calls of Python functions,
    and these functions by their names. Lines keep their numbers."""
    if "_IgnoreContextManager" not in text:
        return text, {}
    if fn in _ignoring:
        return _ignoring[fn]
    lines, made = text.split("\n"), {}
    for block in ast.walk(ast.parse(text)):
        if not isinstance(block, ast.With) or "_IgnoreContextManager" not in ast.unparse(block.items[0].context_expr):
            continue
        call: Any = block.items[0].context_expr
        told = {k.arg: str(ast.literal_eval(k.value)).partition(":") for k in call.keywords}
        scope = {**vars(typing), "Tensor": _C.Tensor, **fn.__globals__}
        kinds = {name: eval(kind, scope) for name, (_, _, kind) in told.items()}  # noqa: S307  the program's own annotations
        taken = [name for name, (role, _, _) in told.items() if role == "inp"]
        given = [name for name, (role, _, _) in told.items() if role == "out"]
        name = f"ignored_block_{len(made)}"
        indent = " " * block.body[0].col_offset
        body = lines[block.body[0].lineno - 1 : block.end_lineno]
        source = [f"def {name}({', '.join(taken)}):", *body, f"{indent}return {', '.join(given) or None}"]
        local: dict[str, Any] = {}
        exec("\n".join(source), fn.__globals__, local)  # noqa: S102
        function = made[name] = _marks.ignore(local[name])
        results = tuple(kinds[g] for g in given)
        result = None if not given else results[0] if len(given) == 1 else tuple[results]
        function.__annotations__ = {**{t: kinds[t] for t in taken}, "return": result}
        put = f"{', '.join(given)} = " if given else ""
        count = (block.end_lineno or block.lineno) - block.lineno
        lines[block.lineno - 1 : block.end_lineno] = [
            f"{' ' * block.col_offset}{put}{name}({', '.join(taken)})",
            *[""] * count,
        ]
    _ignoring[fn] = "\n".join(lines), made
    return _ignoring[fn]


_BUILTINS = frozenset(
    "range len print id int float bool str complex abs round min max sum pow divmod hex oct bin chr ord any all sorted hash list dict tuple "
    "zip enumerate reversed isinstance hasattr type getattr slice".split()
)


def _type_of(obj: Any) -> Any:
    """The type that an annotation names: a schema's text, or a tuple of a constructor and its parts. None if it is none."""
    simple = {int: "int", float: "float", bool: "bool", str: "str", complex: "complex", None: "NoneType", type(None): "NoneType",
              Any: "Any", _C.Tensor: "Tensor", Parameter: "Tensor", _C.device: "Device", _C.dtype: "int",
              _C.Generator: "Generator"}  # fmt: skip
    with contextlib.suppress(TypeError):  # of what can't be a key
        if obj in simple:
            return simple[obj]
    if native := getattr(obj, "_native_class", None):  # of C++
        return native
    if isinstance(obj, type) and issubclass(obj, tuple) and hasattr(obj, "_fields"):
        hints = typing.get_type_hints(obj)
        parts = [_type_of(hints.get(field, _C.Tensor)) for field in obj._fields]
        if None in parts:
            return None
        return ("NamedTuple", _qualified_name(obj), list(obj._fields), getattr(obj, "_field_defaults", {}), parts)
    origin, arguments = typing.get_origin(obj), typing.get_args(obj)
    if origin in (typing.Annotated, typing.Final):
        return _type_of(arguments[0])
    if origin in (_async.Future, _async._Await):
        part = _type_of(arguments[0])
        return None if part is None else ("Future" if origin is _async.Future else "Await", [part])
    if isinstance(obj, type) and origin is None:
        from . import _classes

        return _classes.type_of(obj)
    names = {list: "List", dict: "Dict", tuple: "Tuple", typing.Union: "Union", types.UnionType: "Union"}
    if origin in (list, dict, tuple) and not arguments and obj not in (list, dict, tuple, tuple[()]):
        example = {list: "List[int]", dict: "Dict[int, int]", tuple: "Tuple[int]"}[origin]
        plural = "contained types" if origin is dict else "a contained type"
        raise RuntimeError(
            f"Attempted to use {names[origin]} without {plural}. Please add {plural.replace('types', 'type')}, e.g. {example}"
        )
    if origin not in names or Ellipsis in arguments:
        return None
    parts = [_type_of(a) for a in arguments]
    return None if None in parts else (names[origin], parts)


def _is_operator(obj: Any, name: str) -> bool:
    """Whether an object is rushlight's function of that name, and no other library's."""
    module = sys.modules["rushlight"]
    owners = (_C._ops, _C._functional, module, module.nn.functional)
    part, _, rest = name.partition("_")  # linalg_solve: torch.linalg.solve
    if part in ("linalg", "special", "fft") and getattr(getattr(module, part), rest, None) is obj:
        return True
    return any(getattr(owner, name, None) is obj for owner in owners) or _C._functions.get(name) is obj


# Functions of _C that programs call in scripts too, and what they are there.
_OF_C = {"_get_tracing_state": "special:is_tracing", "_infer_size": "_infer_size"}

# What takes *tensors in Python, or kinds of arguments that TorchScript has no type for, is in scripts the operator of its name.
_python_of = {name: inspect.unwrap(getattr(_functional, name)) for name in _functional.__all__}
_operators_in_python = {
    name: f for name, f in _python_of.items() if f.__code__.co_flags & inspect.CO_VARARGS or name == "split"
}


def _resolve(obj: Any) -> Any:
    """How the compiler calls a Python object: an operator's name, a compiled function, ("type", ...), or None if it can't."""
    if isinstance(obj, _C._OverridableType):
        obj = obj.__wrapped__
    if isinstance(obj, types.FunctionType) and hasattr(obj, "__prepare_scriptable__"):
        obj = obj.__prepare_scriptable__()
    if isinstance(obj, functools.partial) and not obj.args and not obj.keywords:
        obj = obj.func
    name = getattr(obj, "__name__", "")
    if isinstance(obj, _modules.ScriptFunction):
        return obj._c
    if name in _BUILTINS and getattr(builtins, name) is obj:
        return f"special:{name}"
    dispatched = getattr(obj, "_script_dispatch", None)
    if dispatched is not None:
        argument, position, when_true, when_false = dispatched
        return argument, position, _compile_function(when_true), _compile_function(when_false)
    if obj is _C._ops:
        return "torch"
    if isinstance(obj, (OpOverloadPacket, OpOverload)):
        return qualified_name(obj).partition(".")[0].removeprefix("aten::")
    if hasattr(obj, "_opoverload"):  # a function that custom_op made an operator
        return obj._qualname
    if obj is _marks.annotate:
        return "special:annotate"
    if obj is collections.OrderedDict:
        return "special:dict"
    if isinstance(obj, types.FunctionType) and name in (
        "manual_seed",
        "pad_sequence",
    ):  # what they do in a script is less
        owner = sys.modules["rushlight"] if name == "manual_seed" else sys.modules["rushlight"].nn.utils.rnn
        if obj is getattr(owner, name, None):
            return name
    if any(
        obj is f
        for f in (
            _marks.is_scripting,
            _marks.is_tracing,
            _async.fork,
            _async.wait,
            _async._awaitable,
            _async._awaitable_wait,
            _async._awaitable_nowait,
            _C.no_grad,
            _C.enable_grad,
            _C.set_grad_enabled,
            _C.inference_mode,
        )
    ):
        return f"special:{name}"
    if name == "record_function" and getattr(obj, "__module__", "").startswith(("rushlight", "torch")):
        return "special:record_function"
    if name in ("grad", "backward") and obj is getattr(sys.modules["rushlight"].autograd, name):
        return name
    if obj is warnings.warn:
        return "warn"
    if name in _OF_C and obj is getattr(_C, name):
        return _OF_C[name]
    modifier = getattr(obj, "_torchscript_modifier", "")
    if modifier in ("ignore", "unused") and isinstance(obj, (types.FunctionType, types.MethodType)):
        return _outside(obj, obj, modifier, 0)
    if isinstance(obj, _Bound):
        return _outside(obj.call, obj.fn, obj.modifier, 1, obj.takes_object)
    if isinstance(obj, _modules.ScriptModule):
        return obj._c
    if isinstance(
        obj, _modules.Module
    ):  # which nothing holds for the script: it stays Python's, as an ignored function does
        return _outside(obj, type(obj).forward, "ignore", 1)
    if isinstance(obj, enum.Enum):
        return None if _type_of(type(obj)) is None else obj
    if obj is _C.Generator:
        return "special:Generator"
    if getattr(math, name or " ", None) is obj or getattr(cmath, name or " ", None) is obj:
        return f"math:{name}"
    if type(obj) is type(_C._ops.neg) or (_is_operator(obj, name) and not isinstance(obj, (type, types.FunctionType))):
        return getattr(obj, "_full_name", name)
    if isinstance(obj, types.FunctionType):
        if name in _operators_in_python and obj is _operators_in_python[name] and _C._op_overloads(f"aten::{name}"):
            return name
        return None if getattr(obj, "_torchscript_modifier", "") == "ignore" else _define(obj)
    if isinstance(obj, _TypedTensorMeta) and (number := _dtype_number(obj.dtype)) is not None:
        return f"special:new_tensor.{number}"
    kind = _type_of(obj)
    if kind is None and isinstance(obj, type):
        from . import _classes

        _classes.type_of(obj, wanted=True)
    if kind is not None and getattr(obj, "_field_defaults", None):
        if any(isinstance(value, _C.Tensor) for value in obj._field_defaults.values()):
            raise RuntimeError(f"Tensors are not supported as default NamedTuple fields: {obj.__name__}")
        return ("type", kind, {name: value for name, value in obj._field_defaults.items() if _is_constant(value)})
    return None if kind is None else ("type", kind)


def _dtype_number(dtype: Any) -> int | None:
    """What a dtype is in archives."""
    order = ["Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double"]
    name = _C._scalar_types[dtype]
    return order.index(name) if name in order else {"Bool": 11, "BFloat16": 15}.get(name)


def _outside(call, fn, modifier: str, skipped: int, takes_object: bool = False) -> Any:
    """How the compiler calls a function that stays Python's, or refuses to. ``skipped``: parameters that are not the script's to fill;
    ``takes_object``: the first of them is the script object whose method this is."""
    hints = _hints_of_function(fn)
    result = hints.get("return", _C.Tensor)
    kind = "NoneType" if result is None else _type_of(result)
    if modifier == "unused":
        return (
            "unused",
            f"'{fn.__name__}': This Python function is annotated to be ignored and cannot be run",
            kind or "Tensor",
        )
    arguments: list[tuple] = [("self", "Any", False, None)] if takes_object else []
    parameters = list(inspect.signature(fn).parameters.values())
    if len(parameters) < skipped:
        raise RuntimeError(f"the ignored method '{fn.__name__}' does not have a self argument")
    more = any(p.kind == p.VAR_POSITIONAL for p in parameters)
    for p in parameters[skipped:]:
        if p.kind == p.VAR_POSITIONAL:
            break
        if p.kind == p.VAR_KEYWORD:
            raise RuntimeError(
                f"Compiled functions can't take variable number of arguments or use keyword-only arguments with defaults: '{fn.__name__}'"
            )
        known = p.default is not p.empty
        arguments.append((p.name, _type_of(hints.get(p.name, _C.Tensor)) or "Any", known, p.default if known else None))
    return ("python", call, fn.__name__, arguments, kind or "Any", more)


def _hints_of_function(fn) -> dict[str, Any]:
    fn = getattr(fn, "__func__", fn)
    if not getattr(fn, "__annotations__", None):
        return _hints_of_comment(fn)
    try:
        return typing.get_type_hints(fn)
    except Exception:  # names that only the program's own text explains
        return {k: v for k, v in fn.__annotations__.items() if not isinstance(v, str)}


_TYPE_COMMENT = re.compile(r"#\s*type:\s*\((.*?)\)\s*->\s*([^#\n]+)")


def _hints_of_comment(fn) -> dict[str, Any]:
    """What a comment says of types: # type: (int, str) -> float."""
    try:
        written = _TYPE_COMMENT.search(_source(fn)[0])
        parameters = list(inspect.signature(fn).parameters)
    except (OSError, TypeError, ValueError):
        return {}
    if written is None:
        return {}
    names = {**vars(typing), "Tensor": _C.Tensor, **_names(fn)}
    try:
        types_given = eval(f"({written[1]},)" if written[1].strip() else "()", names)  # the program's own text
        result = eval(written[2], names)
    except Exception:  # a name that isn't known here
        return {}
    if len(types_given) < len(parameters):  # of a method: not of self
        parameters = parameters[len(parameters) - len(types_given) :]
    return {**dict(zip(parameters, types_given, strict=False)), "return": result}


def _define(fn) -> Any:
    """A function as a script that calls it sees it."""
    if fn not in _defined:
        signatures = overloads_of(fn)
        if signatures:
            names: dict[str, Any] = {}
            for f in (*signatures, fn):
                names.update(_names(f))
            _defined[fn] = _C._define_overloads((*_source(fn), names), [_source(f) for f in signatures], _resolve)
        else:
            _defined[fn] = _C._define(*_source(fn), _names(fn), _resolve)
    return _defined[fn]


_OPEN = re.compile(r"\b(Any|Callable|Module|tuple|list|dict|Iterable)\b(?!\[)|\.\.\.")


def _is_open(fn) -> bool:
    """Whether annotations leave types to the call: such a method is lowered where it is called."""
    return any(
        _OPEN.search(a if isinstance(a, str) else str(a)) for name, a in fn.__annotations__.items() if name != "return"
    )


def _compile_function(fn) -> Any:
    done = _compiled.get(fn)
    if done is not None:
        return done
    active = _compiling.__dict__.setdefault("functions", set())  # of this thread: others may compile the same one
    if fn in active:
        raise RuntimeError(f"function '{fn.__name__}' is called recursively. Recursive calls are not supported")
    active.add(fn)
    try:
        source, file, line = _source(fn)
        return _compiled.setdefault(fn, _C._compile(source, file, line, _names(fn), _resolve))
    finally:
        active.discard(fn)


class _Bound:
    """A module's method that a script does not compile. ``takes_object``: it is called with the script object first."""

    def __init__(self, call, fn, modifier: str, takes_object: bool = False) -> None:
        self.call, self.fn, self.modifier, self.takes_object = call, fn, modifier, takes_object

    def __call__(self, *args: Any) -> Any:
        return self.call(*args)


_used: set[str] = set()
_mangles = itertools.count()


def _qualified_name(cls: type) -> str:
    module = cls.__module__
    parts = ["__torch__", *(module.split(".") if module != "__main__" else []), cls.__name__]
    return ".".join(("torch" if part == "rushlight" else part).replace("<", "_").replace(">", "_") for part in parts)


def _class_name(cls: type) -> str:
    """PyTorch's: __torch__.torch.nn.modules.linear.Linear, with a part of its own if that is taken."""
    name = _qualified_name(cls)
    parts = name.split(".")
    if name in _used:
        parts.insert(-1, f"___torch_mangle_{next(_mangles)}")
        name = ".".join(parts)
    _used.add(name)
    return name


_PLAIN = (bool, int, float, str)


def _is_constant(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_constant(v) for v in value)
    return value is None or isinstance(value, (*_PLAIN, _C.dtype, _C.device))
