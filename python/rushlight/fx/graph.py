"""Graphs: nodes in order, and how they are made, moved, erased, copied, checked, and written as Python."""

from __future__ import annotations

import contextlib
import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any

from ._codegen import (  # noqa: F401
    CodeGen,
    PythonCode,
    _PyTreeCodeGen,
    _PyTreeInfo,
    inplace_methods,
    magic_methods,
    reflectable_magic_methods,
)
from ._names import Namespace as _Namespace
from ._names import register_custom_builtin as _register_custom_builtin  # noqa: F401
from ._names import snake_case as _snake_case  # noqa: F401
from ._names import target_name
from .node import Argument, Node, Target, _get_qualified_name, _type_repr, map_arg  # noqa: F401

__all__ = ["CodeGen", "Graph", "PythonCode"]


class _node_list:
    """The nodes of a graph; what is erased or put in while one goes through them is left out or met."""

    def __init__(self, graph: Graph, direction: str = "_next"):
        self.graph, self.direction = graph, direction

    def __len__(self):
        return self.graph._len

    def __iter__(self):
        node = getattr(self.graph._root, self.direction)
        while node is not self.graph._root:
            if not node._erased:
                yield node
            node = getattr(node, self.direction)

    def __reversed__(self):
        return iter(_node_list(self.graph, "_next" if self.direction == "_prev" else "_prev"))


class _InsertPoint:
    """Where new nodes go, for the time of a with statement."""

    def __init__(self, graph: Graph, insert: Callable[[Node], None]):
        self.graph, self.before = graph, graph._insert
        graph._insert = insert

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.graph._insert = self.before


class Graph:
    """Nodes, each of which uses results of those before it, from inputs to an output.

    >>> import rushlight as torch
    >>> graph = Graph()
    >>> x = graph.placeholder("x")
    >>> _ = graph.output(graph.call_function(torch.relu, (x,)))
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        return relu
    """

    def __init__(self, owning_module=None, tracer_cls=None, tracer_extras=None):
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._len = 0
        self._order: dict[Node, int] | None = None
        self._graph_namespace = _Namespace()
        self._owning_module = owning_module
        self._tracer_cls, self._tracer_extras = tracer_cls, tracer_extras
        self._codegen = CodeGen()
        self._co_fields: dict[str, Any] = {}

    @property
    def owning_module(self):
        """The GraphModule that runs this graph."""
        return self._owning_module

    @owning_module.setter
    def owning_module(self, module) -> None:
        self._owning_module = module

    @property
    def nodes(self) -> _node_list:
        """All nodes, in order."""
        return _node_list(self)

    def _position(self, node: Node) -> int:
        if self._order is None:
            self._order = {n: i for i, n in enumerate(self.nodes)}
        return self._order.get(node, -1)

    def output_node(self) -> Node:
        """The node that says what the graph gives."""
        node = next(iter(reversed(self.nodes)))
        if node.op != "output":
            raise AssertionError(f"the last node is no output, but {node.op}")
        return node

    def find_nodes(self, *, op: str, target: Target | None = None, sort: bool = True) -> list[Node]:
        """The nodes of an op; of functions, methods and modules only those of a target, if one is given."""
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False):
        """Appends copies of g's nodes, whose inputs val_map may give. Returns what g's output becomes; that node is not copied."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def __deepcopy__(self, memo=None) -> Graph:
        g = Graph(tracer_cls=self._tracer_cls)
        copied: dict[Node, Node] = {}
        output = g.graph_copy(self, copied, return_output_node=True)
        g._codegen = copy.deepcopy(self._codegen)
        g._co_fields = dict(self._co_fields)
        if memo is not None:
            memo.update({id(old): new for old, new in copied.items()})
        if output is not None:
            value, old = output
            g.output(value, type_expr=old.type).meta = copy.copy(old.meta)
        return g

    def create_node(self, op, target, args=None, kwargs=None, name=None, type_expr=None) -> Node:
        """Puts a node in at the insert point (the end, unless inserting_before or inserting_after say otherwise)."""
        args, kwargs = () if args is None else args, {} if kwargs is None else kwargs
        if not isinstance(args, tuple):
            raise AssertionError(f"create_node: args must be a tuple, got {type(args).__name__}")
        if not isinstance(kwargs, dict):
            raise AssertionError(f"create_node: kwargs must be a dict, got {type(kwargs).__name__}")
        name = self._graph_namespace.create_name(name if name is not None else self._target_to_str(target))
        n = Node(self, name, op, target, args, kwargs, type_expr)
        for hook in getattr(self._owning_module, "_create_node_hooks", ()):
            hook(n)
        self._graph_namespace.associate_name_with_obj(name, n)
        self._insert(n)
        self._len += 1
        return n

    def _target_to_str(self, target) -> str:
        return target_name(target)

    def process_inputs(self, *args):
        """What the code generator makes of the arguments; for an Interpreter."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out):
        """What the code generator makes of the result; for an Interpreter."""
        return self._codegen.process_outputs(out)

    def erase_node(self, to_erase: Node) -> None:
        """Takes out a node that nobody uses. RuntimeError if somebody does."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in the graph: {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            warnings.warn(f"erase_node({to_erase}) on an already erased node", stacklevel=2)
            return
        for hook in getattr(self._owning_module, "_erase_node_hooks", ()):
            hook(to_erase)
        to_erase._unlink()
        to_erase._erased = True
        self._len -= 1
        self._order = None
        to_erase._set_arguments(map_arg(to_erase.args, lambda n: None), map_arg(to_erase.kwargs, lambda n: None))

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """With this, nodes are made before n, or at the start."""
        if n is None:
            return self.inserting_after(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert before is not in graph.")
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """With this, nodes are made after n, or at the end; each later one right after n too."""
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert after is not in graph.")
        return _InsertPoint(self, n.append)

    def placeholder(self, name: str, type_expr=None, default_value=inspect.Signature.empty) -> Node:
        """An input."""
        args = () if default_value is inspect.Signature.empty else (default_value,)
        return self.create_node("placeholder", name, args=args, type_expr=type_expr)

    def _warn_of_missing(self, target: str) -> None:
        """Warns where the owning module has no such parameter, buffer or module."""
        found = self.owning_module
        *path, name = target.split(".")
        for part in path:
            found = getattr(found, part, None)
        known = found is not None and (
            name in getattr(found, "_parameters", {}) or name in getattr(found, "_buffers", {}) or hasattr(found, name)
        )
        if self.owning_module is not None and not known:
            warnings.warn(
                "Attempted to insert a get_attr Node with no underlying reference in the owning GraphModule! Call "
                "GraphModule.add_submodule to add the necessary submodule, GraphModule.add_parameter to add the necessary "
                "Parameter, or nn.Module.register_buffer to add the necessary buffer",
                stacklevel=3,
            )

    def get_attr(self, qualified_name: str, type_expr=None) -> Node:
        """A parameter, buffer or other attribute of the module, by its path."""
        self._warn_of_missing(qualified_name)
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(self, module_name: str, args=None, kwargs=None, type_expr=None) -> Node:
        """A call of a module, by its path."""
        if self.owning_module is not None and not _has_module(self.owning_module, module_name):
            warnings.warn(
                "Attempted to insert a call_module Node with no underlying reference in the owning GraphModule! Call "
                "GraphModule.add_submodule to add the necessary submodule",
                stacklevel=2,
            )
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(self, method_name: str, args=None, kwargs=None, type_expr=None) -> Node:
        """A call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(self, the_function, args=None, kwargs=None, type_expr=None, name=None) -> Node:
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name=name, type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Argument] = lambda x: x) -> Node:
        """A copy of a node, often of another graph's, with what arg_transform gives for the nodes that it uses."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        if not isinstance(args, tuple) or not isinstance(kwargs, dict):
            raise AssertionError("node_copy: arg_transform changed the kind of the arguments")
        made = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        made.meta = copy.copy(node.meta)
        return made

    def output(self, result: Argument, type_expr=None) -> Node:
        """What the graph gives: a node, or nodes in tuples, lists and dicts."""
        return self.create_node("output", "output", args=(result,), type_expr=type_expr)

    def python_code(self, root_module: str, **options) -> PythonCode:
        """The graph as Python; `root_module` is what its module is called there ("self")."""
        namespace = _Namespace()

        def name_of(n: Node) -> str:
            return namespace.create_name(n.name, n)

        before = {node: node._repr_fn for node in self.nodes}
        for node in before:
            node._repr_fn = name_of
        try:
            return self._codegen._gen_python_code(self.nodes, root_module, namespace, **options)
        finally:
            for node, shown in before.items():
                node._repr_fn = shown

    def __str__(self) -> str:
        names: list[str] = []
        returns = [""]
        lines = [node.format_node(names, returns) for node in self.nodes]
        shown = ["graph():"] + ["    " + line for line in lines if line]
        return "\n".join(shown)

    def print_tabular(self) -> None:
        """Prints the nodes as a table."""
        rows = [[n.op, n.name, str(n.target), str(n.args), str(n.kwargs)] for n in self.nodes]
        rows.insert(0, ["opcode", "name", "target", "args", "kwargs"])
        widths = [max(len(r[i]) for r in rows) for i in range(5)]
        rows.insert(1, ["-" * w for w in widths])
        for row in rows:
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())

    def lint(self) -> None:
        """RuntimeError unless names are unique, nodes use only earlier ones of this graph, and the module has what is named."""
        seen: set[Node] = set()
        names: set[str] = set()

        def check(arg: Node, n: Node) -> Node:
            if arg.graph is not self:
                raise RuntimeError(
                    f"Argument '{arg}' of Node '{n}' does not belong to this Graph, but was used as an argument! If you are "
                    "copying nodes from another graph, make sure to use ``arg_transform`` on node_copy() to remap values\n"
                    f"{self}"
                )
            if arg not in seen:
                raise RuntimeError(
                    f"Argument '{arg}' of Node '{n}' was used before it has been defined! Please check that Nodes in the graph "
                    f"are topologically ordered\n{self}"
                )
            return arg

        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            map_arg(node.args, lambda arg: check(arg, node))  # noqa: B023
            map_arg(node.kwargs, lambda arg: check(arg, node))  # noqa: B023
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            names.add(node.name)
            if self.owning_module is not None and node.op in ("get_attr", "call_module"):
                self._lint_target(node)

    def _lint_target(self, node: Node) -> None:
        found = self.owning_module
        path = node.target.split(".")
        for i, part in enumerate(path):
            if not hasattr(found, part):
                raise RuntimeError(
                    f"Node {node} target {node.target} references nonexistent attribute {part} of {'.'.join(path[:i])}"
                )
            found = getattr(found, part)
        from ..nn import Module

        if node.op == "call_module" and not isinstance(found, Module):
            raise RuntimeError(
                f"Node {node} target {node.target} {'.'.join(path)} of {node.target} does not reference an nn.Module"
            )

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Takes out what nobody uses and has no effect (as Node.is_impure or the function says). Whether something was."""
        self.lint()
        impure = is_impure_node or (lambda n: n.is_impure())
        before = len(self.nodes)
        for node in reversed(self.nodes):
            if not node.users and not impure(node):
                self.erase_node(node)
        return len(self.nodes) != before

    def set_codegen(self, codegen: CodeGen) -> None:
        """Has another code generator write this graph."""
        self._codegen = codegen

    def on_generate_code(self, make_transformer):
        """Has `make_transformer(before)`, a function of the body's lines, change the code that is written. In a with statement
        only until its end.
        """
        before = self._codegen._body_transformer
        self._codegen._body_transformer = make_transformer(before)

        @contextlib.contextmanager
        def until_end():
            try:
                yield
            finally:
                self._codegen._body_transformer = before

        return until_end()


def _has_module(root, path: str) -> bool:
    try:
        return root.get_submodule(path) is not None
    except AttributeError:
        return False
