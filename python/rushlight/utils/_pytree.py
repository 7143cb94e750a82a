"""Nested lists, tuples, named tuples and dicts, taken apart into their leaves and put together again."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["PyTree", "TreeSpec", "tree_flatten", "tree_leaves", "tree_map", "tree_map_only", "tree_unflatten"]

PyTree = Any


class TreeSpec(NamedTuple):
    """The shape of a tree: the type of its root (None for a leaf), what else makes it up, and the specs of its children."""

    type: Any
    context: Any
    children: tuple[TreeSpec, ...]

    @property
    def num_leaves(self) -> int:
        return 1 if self.type is None else sum(c.num_leaves for c in self.children)

    def is_leaf(self) -> bool:
        return self.type is None


_LEAF = TreeSpec(None, None, ())
_registered: dict[type, tuple[Callable, Callable]] = {}


def register_pytree_node(cls: type, flatten_fn: Callable, unflatten_fn: Callable, **_: Any) -> None:
    """Makes objects of a class nodes: flatten_fn(object) -> (children, context), unflatten_fn(children, context) -> object."""
    _registered[cls] = (flatten_fn, unflatten_fn)


def _open(tree: Any) -> tuple[list[Any], Any] | None:
    kind = type(tree)
    if kind in _registered:
        children, context = _registered[kind][0](tree)
        return list(children), context
    if kind in (list, tuple, deque):
        return list(tree), getattr(tree, "maxlen", None)
    if kind in (dict, OrderedDict):
        return list(tree.values()), list(tree)
    if kind is defaultdict:
        return list(tree.values()), (tree.default_factory, list(tree))
    if isinstance(tree, tuple) and (hasattr(tree, "_fields") or hasattr(tree, "n_sequence_fields")):
        return list(tree), None
    return None


def _close(spec: TreeSpec, children: list[Any]) -> Any:
    kind = spec.type
    if kind in _registered:
        return _registered[kind][1](children, spec.context)
    if kind in (list, tuple):
        return kind(children)
    if kind is deque:
        return deque(children, spec.context)
    if kind in (dict, OrderedDict):
        return kind(zip(spec.context, children, strict=True))
    if kind is defaultdict:
        return defaultdict(spec.context[0], zip(spec.context[1], children, strict=True))
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


def tree_flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves from left to right, and the spec that puts them together again."""
    leaves: list[Any] = []

    def visit(node: Any) -> TreeSpec:
        opened = None if is_leaf is not None and is_leaf(node) else _open(node)
        if opened is None:
            leaves.append(node)
            return _LEAF
        children, context = opened
        return TreeSpec(type(node), context, tuple(visit(c) for c in children))

    return leaves, visit(tree)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The tree of that spec with these leaves."""
    rest = iter(leaves)

    def build(spec: TreeSpec) -> Any:
        return next(rest) if spec.type is None else _close(spec, [build(c) for c in spec.children])

    return build(treespec)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves from left to right."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The spec of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """The tree with ``func(leaf, ...)`` for its leaves; more trees give further arguments."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_flatten(r, is_leaf)[0] for r in rests]
    return tree_unflatten([func(*items) for items in zip(leaves, *others, strict=True)], spec)


def tree_map_only(kind: Any, func: Callable, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """As tree_map for leaves of a type; the others stay."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree, is_leaf=is_leaf)


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None) -> Any:
    """Calls func for each leaf; returns the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_all(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Whether pred holds for all leaves."""
    return all(map(pred, tree_leaves(tree)))


def tree_any(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Whether pred holds for some leaf."""
    return any(map(pred, tree_leaves(tree)))


def _broadcast_to_and_flatten(
    tree: Any, treespec: TreeSpec, is_leaf: Callable[[Any], bool] | None = None
) -> list[Any] | None:
    """The leaves of a tree that may stop earlier than the spec does, each repeated for what stands below; None if it doesn't fit."""
    if is_leaf is not None and is_leaf(tree) or _open(tree) is None:
        return [tree] * treespec.num_leaves
    children, context = _open(tree)  # type: ignore[misc]
    if treespec.type is not type(tree) or treespec.context != context or len(children) != len(treespec.children):
        return None
    out: list[Any] = []
    for child, spec in zip(children, treespec.children, strict=True):
        below = _broadcast_to_and_flatten(child, spec, is_leaf)
        if below is None:
            return None
        out += below
    return out
