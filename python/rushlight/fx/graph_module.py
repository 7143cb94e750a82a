"""GraphModule: a module whose forward is the Python code of a graph."""

from __future__ import annotations

import contextlib
import copy
import itertools
import linecache
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import rushlight as rl
from rushlight.nn import Module, Parameter

from ._codegen import PythonCode, _PyTreeCodeGen
from ._names import CUSTOM_BUILTINS, torch_name
from .graph import Graph

__all__ = ["GraphModule", "reduce_graph_module"]

_serial = itertools.count()
_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"  # in meta: attributes that copies keep
_HOOKS = ("_replace_hooks", "_create_node_hooks", "_erase_node_hooks", "_deepcopy_hooks")


def _forward_from_src(src: str, globals: dict[str, Any], co_fields: dict[str, Any] | None = None):
    """The function `forward` that the source defines; tracebacks show its lines."""
    key = f"<eval_with_key>.{next(_serial)}"
    if co_fields and "co_filename" in co_fields:
        key += " from {co_filename}:{co_firstlineno} in {co_name}".format(
            **{"co_firstlineno": 0, "co_name": "?", **co_fields}
        )
    # An entry without a time of change stays when linecache looks for changed files.
    linecache.cache[key] = (len(src), None, src.splitlines(True), key)
    scope = dict(globals)
    exec(compile(src, key, "exec"), scope)
    return scope["forward"]


def _get_attr(model: Any, attr_name: str) -> Any:
    for part in attr_name.split("."):
        model = getattr(model, part)
    return model


def _has_attr(model: Any, attr_name: str) -> bool:
    try:
        _get_attr(model, attr_name)
    except AttributeError:
        return False
    return True


def _del_attr(model: Any, attr_name: str) -> None:
    *path, name = attr_name.split(".")
    delattr(_get_attr(model, ".".join(path)) if path else model, name)


def _assign_attr(from_obj: Any, to_module: Module, target: str) -> None:
    """Makes an object the attribute at a path; modules on the way are made. Plain tensors become buffers."""
    *path, name = target.split(".")
    for part in path:
        inner = getattr(to_module, part, None)
        if inner is None:
            inner = Module()
            setattr(to_module, part, inner)
        to_module = inner
    if isinstance(from_obj, rl.Tensor) and not isinstance(from_obj, Parameter):
        to_module.register_buffer(name, from_obj)
    else:
        setattr(to_module, name, from_obj)


_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"  # in meta: attributes that copies keep


def _copy_attr(from_module: Module, to_module: Module, target: str) -> None:
    """Has to_module share what stands at a path of from_module; a module that is there already is kept."""
    *path, name = target.split(".")
    for part in path:
        inner, made = getattr(from_module, part), getattr(to_module, part, None)
        if inner is made:
            return  # shared already, with all that is in it
        if made is None:
            made = Module()
            setattr(to_module, part, made)
        from_module, to_module = inner, made
    orig = getattr(from_module, name)
    if isinstance(orig, rl.Tensor) and not isinstance(orig, Parameter):
        persistent = name not in from_module._non_persistent_buffers_set
        to_module.register_buffer(name, orig, persistent=persistent)
    else:
        setattr(to_module, name, orig)


class _CodeOnlyModule(Module):
    """The attributes of a GraphModule, for one that is made of them."""

    def __init__(self, body: dict[str, Any]):
        super().__init__()
        self.__dict__.update(body)


def _import_block(globals: dict[str, Any]) -> str:
    """Statements that import what generated code refers to."""
    lines = set()
    for name, obj in globals.items():
        if name in CUSTOM_BUILTINS:
            lines.add(CUSTOM_BUILTINS[name][0])
        elif isinstance(obj, type(os)):
            lines.add(f"import {torch_name(obj.__name__)} as {name}" if name != obj.__name__ else f"import {name}")
        else:
            home = getattr(obj, "__module__", None) or "builtins"
            real = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", name)
            if home == "typing" or type(obj).__module__ == "typing":
                home, real = "typing", getattr(obj, "_name", None) or real
            lines.add(f"from {torch_name(home)} import {real} as {name}")
    return "\n".join(sorted(lines)) + "\n"


def _names_of(import_block: str) -> dict[str, Any]:
    """Runs import statements, in which torch is this package."""
    names: dict[str, Any] = {}
    if sys.modules.get("torch") is rl:
        exec(import_block, names)
    else:
        exec(import_block.replace("import torch\n", "import rushlight as torch\n").replace("torch.", "rushlight.")
             .replace("from torch import", "from rushlight import"), names)  # fmt: skip
    return names


def reduce_graph_module(body: dict[str, Any], import_block: str) -> Module:
    """The module of a pickle: its forward is traced anew from the code."""
    code = body.get("_code") or body["code"]
    forward = _forward_from_src(code, _names_of(import_block))
    return _deserialize_graph_module(forward, body)


def _deserialize_graph_module(forward, body: dict[str, Any], graph_module_cls: type | None = None) -> Module:
    _CodeOnlyModule.forward = forward
    tracer_cls = body.get("_tracer_cls")
    if tracer_cls is None:
        from ._symbolic_trace import Tracer as tracer_cls  # noqa: N813

    name = body.get("_graphmodule_cls_name", "GraphModule")
    module = _CodeOnlyModule(body)

    class KeepModules(tracer_cls):
        def is_leaf_module(self, m, qualname):  # what was a call stays one
            return True

    graph = KeepModules().trace(module, **body.get("_tracer_extras", {}))
    graph._tracer_cls = tracer_cls
    from ._lazy_graph_module import _make_graph_module

    made = _make_graph_module(module, graph, class_name=name, graph_module_cls=graph_module_cls)
    for attr, value in body.items():
        if attr not in made.__dict__:
            setattr(made, attr, value)
    return made


class _WrappedCall:
    """A call of the module that, when generated code raises, shows its lines."""

    def __init__(self, cls: type, cls_call):
        self.cls, self.cls_call = cls, cls_call

    @staticmethod
    def _generate_error_message(frame) -> str:
        lines = linecache.getlines(frame.filename)
        at = frame.lineno
        return "\n".join([
            traceback.format_exc(),
            f"Call using an FX-traced Module, line {at} of the traced Module's generated forward function:",
            "".join(lines[max(at - 2, 0) : at]),
            "~" * len(frame.line) + "~~~ <--- HERE",
            "\n".join(lines[at : at + 2]),
        ])  # fmt: skip

    def __call__(self, obj, *args, **kwargs):
        try:
            if self.cls_call is not None:
                return self.cls_call(obj, *args, **kwargs)
            return super(self.cls, obj).__call__(*args, **kwargs)
        except Exception as e:
            frames = traceback.StackSummary.extract(traceback.walk_tb(e.__traceback__))
            if "eval_with_key" in frames[-1].filename:
                print(self._generate_error_message(frames[-1]), file=sys.stderr)
            raise


class GraphModule(Module):
    """A module that does what a graph says.

    Args:
        root: a module, or a dict by path, that has the parameters, buffers and modules that the graph names: they are shared.
        graph: the graph; it belongs to the module from then on. class_name: what the module's class is called.
    After the graph was changed, `recompile()` writes `code` and `forward` anew.

    >>> import rushlight as torch
    >>> m = torch.fx.symbolic_trace(lambda x: x + 1)
    >>> node = m.graph.find_nodes(op="call_function")[0]
    >>> node.target = torch.mul
    >>> _ = m.recompile()
    >>> m(torch.tensor(3.0))
    tensor(3.)
    """

    def __new__(cls, *args, **kwargs):
        # Each instance has a class of its own, for its forward.
        cls = next(c for c in cls.__mro__ if c.__qualname__.split(".")[-1] != "GraphModuleImpl")

        class GraphModuleImpl(cls):
            pass

        return super().__new__(GraphModuleImpl)

    def __init__(self, root: Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule"):
        super().__init__()
        type(self).__name__ = class_name
        named = [node for node in graph.nodes if node.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            self.training = getattr(root, "training", True)
            if isinstance(root, _CodeOnlyModule):
                for name in [
                    n for which in (root.named_children, root.named_buffers, root.named_parameters) for n, _ in which()
                ]:
                    _copy_attr(root, self, name)
            for node in named:
                _copy_attr(root, self, node.target)
        elif isinstance(root, dict):
            for node in named:
                if node.target not in root:
                    raise RuntimeError(
                        f"Node {node} referenced target {node.target} but that target was not provided in ``root``!"
                    )
            for target in sorted((n.target for n in named), key=lambda t: t.count(".")):
                _assign_attr(root[target], self, target)
        else:
            raise RuntimeError(f"Unsupported type {type(root).__name__} passed for root! Expected a Module or a dict")
        self._tracer_cls = None
        for hooks in _HOOKS:
            self.__dict__[hooks] = []
        self.graph = graph
        tracer = graph._tracer_cls
        if tracer is not None and "<locals>" not in tracer.__qualname__:
            self._tracer_cls = tracer
        self._tracer_extras = graph._tracer_extras or {}
        self.meta: dict[str, Any] = {}

    __jit_unused_properties__ = ["graph"]

    @property
    def graph(self) -> Graph:
        """The graph. A new one is compiled when it is assigned."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self._graph = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The Python code of forward."""
        return self._code

    def recompile(self) -> PythonCode:
        """Writes code and forward anew, after the graph was changed."""
        codegen = self._graph._codegen
        if isinstance(codegen, _PyTreeCodeGen):
            self._in_spec, self._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
        made = self._graph.python_code(root_module="self")
        self._code, self._lineno_map = made.src, made._lineno_map
        cls = type(self)
        cls.forward = _forward_from_src(self._code, made.globals, self._graph._co_fields)
        own_call = cls.__call__ if "__call__" in vars(cls) else None
        if "_wrapped_call" not in vars(cls):
            cls._wrapped_call = _WrappedCall(cls, own_call)
        for _, child in self.named_children():
            if isinstance(child, GraphModule):
                child.recompile()

        def call_wrapped(self, *args, **kwargs):
            return self._wrapped_call(self, *args, **kwargs)

        cls.__call__ = call_wrapped
        return made

    def add_submodule(self, target: str, m: Module) -> bool:
        """Puts a module at a path; modules on the way are made. False if something else is in the way."""
        *path, name = target.split(".")
        module: Any = self
        for part in path:
            inner = getattr(module, part, None)
            if inner is None:
                inner = Module()
                setattr(module, part, inner)
            if not isinstance(inner, Module):
                return False
            module = inner
        module.add_module(name, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Takes a module out. False if there is none."""
        *path, name = target.split(".")
        module: Any = self
        for part in path:
            module = getattr(module, part, None)
        if not isinstance(getattr(module, name, None), Module):
            return False
        delattr(module, name)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Takes out the modules that no node calls or reads from."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op in ("call_module", "get_attr"):
                parts = node.target.split(".")
                used.update(".".join(parts[:i]) for i in range(1, len(parts) + 1))
                if node.op == "call_module":
                    with contextlib.suppress(AttributeError):  # what is missing has no modules
                        inner = self.get_submodule(node.target)
                        used.update(f"{node.target}.{n}" for n, _ in inner.named_modules() if n)
        for name in [n for n, _ in self.named_modules() if n and n not in used]:
            self.delete_submodule(name)

    def to_folder(self, folder, module_name: str = "FxModule") -> None:
        """Writes a Python package with the code, and files with the modules and tensors that it needs."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        rl.save(self.state_dict(), folder / "state_dict.pt")
        torch = "import torch" if sys.modules.get("torch") is rl else "import rushlight as torch"
        known = "\n".join(text for name, (text, _) in CUSTOM_BUILTINS.items() if name != "torch")
        if torch != "import torch":
            known = known.replace("import torch.", "import rushlight.").replace("from torch", "from rushlight")
        names = self._graph.python_code(root_module="self").globals
        more = _import_block({k: v for k, v in names.items() if k not in CUSTOM_BUILTINS}) if names else ""
        lines = [
            torch,
            known,
            more,
            f"class {module_name}(torch.nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
        ]
        for name, module in self.named_children():
            path = folder / f"{name}.pt"
            rl.save(module, path)
            lines.append(
                f"        setattr(self, {name!r}, torch.load(r'{path}', weights_only=False)) # {type(module).__name__}"
            )
        for name, t in self._buffers.items():
            if t is not None:
                lines.append(f"        self.register_buffer({name!r}, torch.empty({list(t.shape)}, dtype={t.dtype}))")
        for name, p in self._parameters.items():
            if p is not None:
                lines.append(
                    f"        setattr(self, {name!r}, torch.nn.Parameter(torch.empty({list(p.shape)}, dtype={p.dtype})))"
                )
        lines.append(f"        self.load_state_dict(torch.load(r'{folder}/state_dict.pt'))")
        lines += ["    " + line for line in self.code.split("\n")]
        (folder / "module.py").write_text("\n".join(lines) + "\n")
        (folder / "__init__.py").write_text("from .module import *\n")

    def __reduce__(self):
        body = self.__dict__.copy()
        made = self.recompile()
        body["_graphmodule_cls_name"] = type(self).__name__
        del body["_graph"]
        return reduce_graph_module, (body, _import_block(made.globals))

    def _deepcopy_init(self):
        return GraphModule.__init__

    def __deepcopy__(self, memo):
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        body = _CodeOnlyModule(copy.deepcopy(self.__dict__, memo))
        self._deepcopy_init()(made, body, body.__dict__["_graph"])
        type(made).__name__ = type(self).__name__
        for attr in ("_state_dict_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks", *_HOOKS):
            if attr in self.__dict__:
                made.__dict__[attr] = copy.copy(self.__dict__[attr])
        made.meta = copy.deepcopy(getattr(self, "meta", {}), memo)
        for name, value in made.meta.get(_USER_PRESERVED_ATTRIBUTES_KEY, {}).items():
            setattr(made, name, value)
        for hook in self._deepcopy_hooks:
            hook(made)
        return made

    def __copy__(self):
        from ._lazy_graph_module import _make_graph_module

        made = _make_graph_module(self, self.graph, type(self).__name__)
        made.meta = getattr(self, "meta", {})
        return made

    def print_readable(
        self, print_output: bool = True, include_stride=False, include_device=False, colored=False, **_
    ) -> str:
        """The code as a class, with the user's lines as comments where they are known; modules that are graphs too."""
        text = self._readable(self._get_name())
        if print_output:
            print(text)
        return text

    def _readable(self, name: str) -> str:
        code = self._graph.python_code(root_module="self", verbose=True).src.lstrip("\n")
        body = "\n".join(
            "    " + line if line else "" for line in f"class {name}(torch.nn.Module):\n{code}".split("\n")
        )
        parts = [body.removeprefix("    ")]
        for child, module in self.named_children():
            if isinstance(module, GraphModule):
                inner = module._readable(child)
                parts.append("\n".join("    " + line for line in inner.split("\n")))
        return "\n".join(parts)

    def __str__(self) -> str:
        reminder = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, reminder])

    def _replicate_for_data_parallel(self):
        made = self.__copy__()
        made.__dict__["_is_replica"] = True
        return made

    @contextlib.contextmanager
    def _set_replace_hook(self, f):
        self._register_replace_node_hook(f)
        try:
            yield
        finally:
            self._unregister_replace_node_hook(f)


def _hook_pair(kind: str, attribute: str):
    def add(self, f) -> None:
        if not callable(f):
            raise AssertionError(f"{kind} hook must be a callable.")
        self.__dict__[attribute].append(f)

    def remove(self, f) -> None:
        self.__dict__[attribute].remove(f)

    setattr(GraphModule, f"_register_{kind}_hook", add)
    setattr(GraphModule, f"_unregister_{kind}_hook", remove)


for _kind, _attribute in (
    ("replace_node", "_replace_hooks"), ("create_node", "_create_node_hooks"),
    ("erase_node", "_erase_node_hooks"), ("deepcopy", "_deepcopy_hooks"),
):  # fmt: skip
    _hook_pair(_kind, _attribute)
