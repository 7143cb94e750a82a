"""From a graph to the Python code that runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..utils import _pytree as pytree
from . import _pytree as fx_pytree
from ._names import CUSTOM_BUILTINS, Imports, Namespace, get_qualified_name, is_enum
from .node import Node, map_arg

for _name, _module in (("fx_pytree", fx_pytree), ("pytree", pytree)):
    CUSTOM_BUILTINS[_name] = CUSTOM_BUILTINS[_name][0], _module

_binary = {
    "eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=", "add": "+", "sub": "-", "mul": "*", "truediv": "/",
    "floordiv": "//", "mod": "%", "matmul": "@", "pow": "**", "and_": "&", "or_": "|", "xor": "^", "lshift": "<<", "rshift": ">>",
}  # fmt: skip
reflectable_magic_methods = {
    n: f"{{}} {s} {{}}" for n, s in _binary.items() if n not in ("eq", "ne", "lt", "gt", "le", "ge")
}
magic_methods = {n: f"{{}} {s} {{}}" for n, s in _binary.items()} | {
    "pos": "+{}", "neg": "-{}", "invert": "~{}", "getitem": "{}[{}]",
}  # fmt: skip
inplace_methods = {"i" + n.rstrip("_"): f"{{}} {s}= {{}}" for n, s in _binary.items() if n in reflectable_magic_methods}
_operators = ("operator", "_operator")


@dataclass
class PythonCode:
    """Source text, the globals that it refers to, and which node each line of the body stands for."""

    src: str
    globals: dict[str, Any]
    _lineno_map: dict[int, int | None] | None = field(default=None)


def _format_target(base: str, target: str) -> str:
    """base.a.b, with getattr for what is no identifier."""
    for part in target.split("."):
        base = f"{base}.{part}" if part.isidentifier() else f'getattr({base}, "{part}")'
    return base


def _last_uses(nodes) -> dict[Node, list[Node]]:
    """For each node those that are used there for the last time."""
    seen: set[Node] = set()
    last: dict[Node, list[Node]] = {}

    for user in reversed(nodes):

        def use(n: Node, user=user) -> Node:
            if n not in seen:
                seen.add(n)
                last.setdefault(user, []).append(n)
            return n

        map_arg(user.args, use)
        map_arg(user.kwargs, use)
    return last


class _Writer:
    """Writes a graph's nodes as statements."""

    def __init__(self, codegen: CodeGen, nodes, root: str, imports: Imports, verbose: bool):
        self.codegen, self.nodes, self.root, self.imports, self.verbose = codegen, nodes, root, imports, verbose
        self.free_vars: list[str] = []
        self.body: list[str] = []
        self.wrapped: dict[str, None] = {}
        self.returns = ""
        self.last = _last_uses(nodes)
        self._trace = ""

    def text(self, arg: Any) -> str:
        """The expression of an argument."""
        if isinstance(arg, Node):
            return repr(arg)
        if isinstance(arg, tuple) and hasattr(arg, "_fields"):
            cls = self.imports.add(get_qualified_name(type(arg)), type(arg))
            return f"{cls}({', '.join(map(self.text, arg))})"
        if isinstance(arg, tuple):
            return f"({', '.join(map(self.text, arg))}{',' if len(arg) == 1 else ''})"
        if isinstance(arg, list):
            return f"[{', '.join(map(self.text, arg))}]"
        if isinstance(arg, dict):
            return "{" + ", ".join(f"{self.text(k)}: {self.text(v)}" for k, v in arg.items()) + "}"
        if isinstance(arg, slice):
            return f"slice({self.text(arg.start)}, {self.text(arg.stop)}, {self.text(arg.step)})"
        if is_enum(arg):
            cls = type(arg)
            return f"{self.imports.add(cls.__name__, cls)}.{arg.name}"
        if isinstance(arg, type) or (callable(arg) and hasattr(arg, "__name__") and hasattr(arg, "__module__")):
            return self.imports.type(arg) if isinstance(arg, type) else self.imports.add(get_qualified_name(arg), arg)
        return repr(arg)

    def call(self, function: str, args, kwargs) -> str:
        parts = [*map(self.text, args), *(f"{k} = {self.text(v)}" for k, v in kwargs.items())]
        return f"{function}({', '.join(parts)})"

    def write(self) -> None:
        for i, node in enumerate(self.nodes):
            if self.verbose:
                self._summary(node)
            self.body.append(f"# COUNTER: {i}\n")
            self._statement(node)
            self._forget(node)

    def _summary(self, node: Node) -> None:
        """A comment with the user's line, where it changes."""
        if node.op in ("placeholder", "output"):
            return
        trace = node.stack_trace or ""
        if trace == self._trace:
            return
        self._trace = trace
        lines = trace.strip().split("\n")
        if trace and len(lines) >= 2:
            place, code = lines[-2].strip(), lines[-1].strip()
            parts = [p.strip() for p in place.replace('File "', "").split(",")]
            if len(parts) == 3:
                self.body.append(
                    f"\n# File: {parts[0].rstrip(chr(34))}:{parts[1].removeprefix('line ')} {parts[2]}, code: {code}\n"
                )

    def _forget(self, node: Node) -> None:
        """Frees what is not used later."""
        unused = [] if node.op in ("placeholder", "output") else list(self.last.get(node, ()))
        if node.op not in ("placeholder", "output") and not node.users:
            unused.append(node)
        self.body.append(f";  {' = '.join([*map(repr, unused), 'None'])}\n" if unused else "\n")

    def _statement(self, node: Node) -> None:
        emit = self.body.append
        kind = f" : {self.imports.type(node.type)}" if node.type is not None else ""
        if node.op == "placeholder":
            name = node.target.replace("*", "")
            default = f" = {self.text(node.args[0])}" if node.args else ""
            self.free_vars.append(f"{node.target}{kind}{default}")
            if name != repr(node):
                emit(f"{repr(node)} = {name}\n")
        elif node.op == "output":
            if node.type is not None:
                self.returns = f" -> {self.imports.type(node.type)}"
            self.codegen._current_writer = self
            emit(self.codegen.generate_output(node.args[0]))
        else:
            emit(self._assignment(node, f"{repr(node)}{kind} = "))

    def _assignment(self, node: Node, to: str) -> str:
        args, kwargs, target = node.args, node.kwargs, node.target
        if node.op == "get_attr":
            return to + _format_target(self.root, target)
        if node.op == "call_module":
            return to + self.call(_format_target(self.root, target), args, kwargs)
        if node.op == "call_method":
            return to + self.call(_format_target(self.text(args[0]), target), args[1:], kwargs)
        name = getattr(target, "__name__", "")
        if getattr(target, "__module__", None) in _operators and not kwargs:
            if name in magic_methods:
                return to + magic_methods[name].format(*map(self.text, args))
            if name in inplace_methods:
                return f"{inplace_methods[name].format(*map(self.text, args))};  {to}{self.text(args[0])}"
        function = self.imports.add(get_qualified_name(target), target)
        if function == "getattr" and len(args) == 2 and isinstance(args[1], str) and args[1].isidentifier():
            return to + _format_target(self.text(args[0]), args[1])
        if node.meta.get("is_wrapped", False):
            self.wrapped.setdefault(function)
        return to + self.call(function, args, kwargs)


class CodeGen:
    """How a graph's code takes arguments and returns results. Subclasses, given to Graph.set_codegen, change that."""

    _body_transformer = None
    _func_name = "forward"
    _current_writer: Any = None

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str, **_) -> str:
        """The line that begins the function."""
        if not free_vars or free_vars[0] != "self":
            free_vars.insert(0, "self")
        return f"def {self._func_name}({', '.join(free_vars)}){maybe_return_annotation}:"

    def generate_output(self, output_args, **_) -> str:
        """The statement that returns."""
        return f"return {self._text(output_args)}"

    def _text(self, arg: Any) -> str:
        return self._current_writer.text(arg) if self._current_writer is not None else repr(arg)

    def process_inputs(self, *args):
        """The placeholders' values of the arguments that callers give; for an Interpreter."""
        return args

    def process_outputs(self, outputs):
        """What callers get of what the graph gives; for an Interpreter."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """Further names that the code refers to."""
        return []

    def _gen_python_code(
        self, nodes, root_module: str, namespace: Namespace, *, verbose: bool = False, **_
    ) -> PythonCode:
        known = {name: obj for name, (_, obj) in CUSTOM_BUILTINS.items()}
        imports = Imports(namespace, dict(known))
        for name, obj in self.additional_globals():
            imports.add(name, obj)
        writer = _Writer(self, nodes, root_module, imports, verbose)
        writer.write()
        body = writer.body if len(writer.body) > 0 else ["pass\n"]
        if self._body_transformer:
            body = self._body_transformer(body)
        # Markers become the map from lines to nodes.
        wraps = "\n".join(f'torch.fx.wrap("{name}")' for name in writer.wrapped)
        head = self.gen_fn_def(writer.free_vars, writer.returns)
        prologue = head.count("\n")
        lines: list[str] = []
        places: dict[int, int | None] = {}
        current: int | None = None
        for line in "".join(body).lstrip("\n").split("\n"):
            if line.startswith("# COUNTER: "):
                current = int(line.removeprefix("# COUNTER: "))
                continue
            if not line:
                continue
            lines.append("    " + line)
            places[len(lines) + prologue] = current
        source = f"\n{wraps}\n\n{head}\n" + "\n".join(lines) + "\n    "
        self._current_writer = None
        return PythonCode(source, imports.globals, places)


class _PyTreeInfo(NamedTuple):
    orig_args: list[str]
    in_spec: Any
    out_spec: Any


class _PyTreeCodeGen(CodeGen):
    """Arguments are trees, whose leaves are the placeholders."""

    def __init__(self, pytree_info: _PyTreeInfo):
        self.pytree_info = pytree_info

    def process_inputs(self, *inputs):
        return pytree.tree_leaves(inputs)

    def process_outputs(self, out):
        if self.pytree_info.out_spec is None:
            return out
        leaves = out if isinstance(out, (list, tuple)) else [out]
        return pytree.tree_unflatten(leaves, self.pytree_info.out_spec)

    def gen_fn_def(self, free_vars, maybe_return_annotation, **_):
        fn_args = list(self.pytree_info.orig_args)
        if not fn_args or fn_args[0] != "self":
            fn_args.insert(0, "self")
        head = super().gen_fn_def(fn_args, maybe_return_annotation)
        if not free_vars:
            return head
        names = [v.split(":")[0].split("=")[0].strip() for v in free_vars]
        args = ", ".join(a.split(":")[0].split("=")[0].strip() for a in self.pytree_info.orig_args if a != "self")
        return f"{head}\n    {', '.join(names)}, = fx_pytree.tree_flatten_spec([{args}], self._in_spec)"

    def generate_output(self, output_args, **_):
        if self.pytree_info.out_spec is None:
            return super().generate_output(output_args)
        listed = output_args if isinstance(output_args, (list, tuple)) else [output_args]
        return f"return pytree.tree_unflatten({self._text(list(listed))}, self._out_spec)"
