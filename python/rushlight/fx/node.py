"""Nodes: what one line of a graph does, with which arguments, and who uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from ._names import find_module_of_method as _find_module_of_method  # noqa: F401
from ._names import get_qualified_name as _get_qualified_name
from ._names import type_repr as _type_repr
from .immutable_collections import immutable_dict, immutable_list

__all__ = ["Argument", "Node", "Target", "has_side_effect", "map_aggregate", "map_arg"]

Target = Callable[..., Any] | str
Argument = Any
BaseArgumentTypes = str | int | float | bool | complex | rl.dtype | rl.Tensor | rl.device | rl.memory_format | rl.layout
base_types = (str, int, float, bool, complex, rl.dtype, rl.Tensor, rl.device, rl.memory_format, rl.layout)
_legal_ops = dict.fromkeys(["placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root"])
_side_effectful_functions: set[Callable] = {rl._assert, rl._check}


def has_side_effect(fn: Callable) -> Callable:
    """Decorates a function whose calls dead code elimination must keep."""
    _side_effectful_functions.add(fn)
    return fn


def map_arg(a: Argument, fn: Callable[[Node], Argument]) -> Argument:
    """The argument with ``fn(node)`` for each Node in it."""
    if not callable(fn):
        raise AssertionError("torch.fx.map_arg(a, fn): fn must be a callable")
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


def map_aggregate(a: Argument, fn: Callable[[Argument], Argument]) -> Argument:
    """The argument with ``fn(x)`` for each x within tuples, lists, dicts and slices; lists and dicts become immutable."""
    if isinstance(a, tuple):
        t = [map_aggregate(x, fn) for x in a]
        return type(a)(*t) if hasattr(a, "_fields") else tuple(t)
    if isinstance(a, list):
        return immutable_list(map_aggregate(x, fn) for x in a)
    if isinstance(a, dict):
        return immutable_dict((k, map_aggregate(v, fn)) for k, v in a.items())
    if isinstance(a, slice):
        return slice(map_aggregate(a.start, fn), map_aggregate(a.stop, fn), map_aggregate(a.step, fn))
    return fn(a)


def _format_arg(arg: Any, max_list_len: float = float("inf")) -> str:
    if hasattr(arg, "_custom_fx_repr_fn"):
        return arg._custom_fx_repr_fn()
    if isinstance(arg, (list, tuple)) and not hasattr(arg, "_fields"):
        shown = [_format_arg(x) for i, x in enumerate(arg) if i < max_list_len]
        if len(shown) < len(arg):
            shown.append(f"...[total_len={len(arg)}]")
        return f"[{', '.join(shown)}]" if isinstance(arg, list) else (
            f"({', '.join(shown)}{',' if len(arg) == 1 else ''})"
        )  # fmt: skip
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{k}: {_format_arg(v)}" for k, v in arg.items()) + "}"
    return "%" + str(arg) if isinstance(arg, Node) else str(arg)


class Node:
    """A line of a graph.

    op: "placeholder" (an input), "get_attr" (a parameter, ...), "call_function", "call_method", "call_module" or "output".
    target: the name of the input, attribute, module or method, or the function. args, kwargs: the arguments, in which Nodes
    stand for what they give. users: the nodes that use this one. meta: what passes note. name: its variable.
    """

    def __init__(self, graph, name: str, op: str, target: Target, args: tuple, kwargs: dict, return_type: Any = None):
        if op not in _legal_ops:
            raise AssertionError(f"Node: expected op to be one of {list(_legal_ops)}, got {op!r}")
        if op == "call_function":
            if not callable(target):
                raise ValueError(
                    f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a Callable is expected"
                )
        elif not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type {type(target)} but a str is expected"
            )
        set_ = self.__dict__.update
        set_(graph=graph, op=op, target=target, type=return_type, users={}, meta={}, _input_nodes={}, _erased=False)
        set_(_repr_fn=None, _prev=self, _next=self, _args=(), _kwargs={})
        self.__dict__["name"] = name
        self._set_arguments(args, kwargs)

    def __getstate__(self):
        return {k: v for k, v in self.__dict__.items() if k not in ("_prev", "_next")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.__dict__.setdefault("_prev", self)
        self.__dict__.setdefault("_next", self)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "name" and "name" in self.__dict__ and value != self.name:
            module = getattr(self.graph, "owning_module", None)
            for user in self.users if module is not None else ():
                for hook in module._replace_hooks:
                    hook(old=self, new=value, user=user)
        object.__setattr__(self, name, value)

    @property
    def next(self) -> Node:
        """The following node."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before."""
        return self._prev

    def _unlink(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x: Node) -> None:
        """Moves x before this node. Both must be in the same graph."""
        if x.graph is not self.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if x is self:
            return
        x._unlink()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x
        self.graph._order = None

    def append(self, x: Node) -> None:
        """Moves x after this node."""
        self._next.prepend(x)

    @property
    def _sort_key(self) -> int:
        return self.graph._position(self)

    def __lt__(self, other: Node) -> bool:
        return self._sort_key < other._sort_key

    def __gt__(self, other: Node) -> bool:
        return self._sort_key > other._sort_key

    def __le__(self, other: Node) -> bool:
        return self._sort_key <= other._sort_key

    def __ge__(self, other: Node) -> bool:
        return self._sort_key >= other._sort_key

    @property
    def args(self) -> tuple:
        """The arguments by position."""
        return self._args

    @args.setter
    def args(self, a: tuple) -> None:
        self._set_arguments(a, self._kwargs)

    @property
    def kwargs(self) -> dict:
        """The arguments by name."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, k: dict) -> None:
        self._set_arguments(self._args, k)

    def _set_arguments(self, args: tuple, kwargs: dict) -> None:
        for old in self._input_nodes:
            old.users.pop(self, None)
        self._input_nodes.clear()

        def use(n: Node) -> Node:
            self._input_nodes.setdefault(n)
            n.users.setdefault(self)
            return n

        object.__setattr__(self, "_args", map_arg(tuple(args), use))
        object.__setattr__(self, "_kwargs", map_arg(dict(kwargs), use))

    _update_args_kwargs = _set_arguments

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes that are used, each once."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Argument) -> None:
        """Exchanges the argument at a position."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Argument) -> None:
        """Puts an argument before a position."""
        if not 0 <= idx <= len(self.args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Argument) -> None:
        """Exchanges the argument of a name, or adds it."""
        self.kwargs = {**self.kwargs, key: arg}

    @property
    def stack_trace(self) -> str | None:
        """Where in the user's code the node was traced, if that was recorded."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def __repr__(self) -> str:
        return self._repr_fn(self) if self._repr_fn else self.name

    @staticmethod
    def _pretty_print_target(target: Any) -> str:
        if isinstance(target, str):
            return target
        if getattr(target, "__module__", None):
            name = getattr(target, "__name__", None)
            if name is None:
                return _get_qualified_name(target)
            if target.__module__ == "builtins":
                return f"builtins.{name}"
            if target.__module__ == "_operator":
                return f"operator.{name}"
        return _get_qualified_name(target)

    def format_node(self, placeholder_names=None, maybe_return_typename=None, *, include_tensor_metadata=False):
        """The node as str(graph) shows it; None for an input that `placeholder_names` takes instead."""
        if self.op == "placeholder":
            if placeholder_names is not None:
                placeholder_names.append(f"{self.target}: {_type_repr(self.type)}" if self.type else self.target)
        if self.op == "output":
            returned = f" -> {_type_repr(self.type)}" if self.type else ""
            if self.type and maybe_return_typename is not None:
                maybe_return_typename[0] = returned
            return f"return {self.args[0]}"
        kind = f"{_type_repr(self.type)} " if self.type else ""
        default = f"(default={self.args[0]})" if self.op == "placeholder" and self.args else ""
        called = f"(args = {_format_arg(self.args)}, kwargs = {_format_arg(self.kwargs)})"
        rest = default if self.op in ("placeholder", "get_attr") else called
        target = self._pretty_print_target(self.target)
        return f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}[target={target}]{rest}"

    def replace_all_uses_with(self, replace_with, delete_user_cb=lambda user: True, *, propagate_meta=False):
        """Has all users of this node that the callback agrees to use another one. Returns all users."""
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    "Called node.replace_all_uses_with(replace_with, propagate_meta=True), but replace_with already has .meta keys"
                )
            replace_with.meta.update(self.meta)
        users = list(self.users)
        for user in users:
            if delete_user_cb(user):
                self._exchanged_in(user, replace_with)
        return users

    def _exchanged_in(self, user: Node, new: Node) -> None:
        module = getattr(self.graph, "owning_module", None)
        for hook in module._replace_hooks if module is not None else ():
            hook(old=self, new=new.name, user=user)

        def swap(n: Node) -> Node:
            return new if n is self else n

        user._set_arguments(map_arg(user.args, swap), map_arg(user.kwargs, swap))

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Uses new_input wherever old_input was used in this node."""
        old_input._exchanged_in(self, new_input)

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the node must stay though nobody uses it: inputs, outputs, and what has effects or draws random numbers."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            schema = getattr(self.target, "_schema", None)
            if schema is not None and getattr(schema, "is_mutable", False):
                return True
            if impure_random and getattr(self.target, "_nondeterministic_seeded", False):
                return True
            return self.target in _side_effectful_functions
        if self.op == "call_module":
            if self.graph.owning_module is None:
                raise AssertionError("self.graph.owning_module not set for purity check")
            module = self.graph.owning_module.get_submodule(self.target)
            return bool(getattr(module, "_is_impure", False))
        return False

    def normalized_arguments(self, root, arg_types=None, kwarg_types=None, normalize_to_only_use_kwargs=False):
        """The arguments as the schema or signature of what is called takes them, or None where that is not known."""
        from .operator_schemas import normalize_function, normalize_module

        if self.op == "call_function":
            return normalize_function(
                self.target, self.args, self.kwargs, arg_types, kwarg_types, normalize_to_only_use_kwargs
            )
        if self.op == "call_module":
            return normalize_module(root, self.target, self.args, self.kwargs, normalize_to_only_use_kwargs)
        return None

    def _rename(self, candidate: str) -> None:
        if candidate != self.name:
            self.name = self.graph._graph_namespace.create_name(candidate)
            self.graph._graph_namespace._rename_object(self, self.name)
