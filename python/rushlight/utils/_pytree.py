"""Trees of lists, tuples, named tuples, dicts and registered classes: taken apart into their leaves and put together again.

>>> leaves, spec = torch.utils._pytree.tree_flatten({"a": 1, "b": (2, [3])})
>>> leaves, torch.utils._pytree.tree_unflatten([10 * v for v in leaves], spec)
([1, 2, 3], {'a': 10, 'b': (20, [30])})
"""

from __future__ import annotations

import dataclasses
import json
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .. import _missing

__all__ = [
    "GetAttrKey", "LeafSpec", "MappingKey", "PyTree", "SequenceKey", "TreeSpec", "key_get", "keystr", "register_constant",
    "register_dataclass", "register_pytree_node", "tree_all", "tree_all_only", "tree_any", "tree_any_only", "tree_flatten",
    "tree_flatten_with_path", "tree_is_leaf", "tree_iter", "tree_leaves", "tree_leaves_with_path", "tree_map", "tree_map_",
    "tree_map_only", "tree_map_only_", "tree_map_with_path", "tree_structure", "tree_unflatten", "treespec_dumps", "treespec_loads",
    "treespec_pprint",
]  # fmt: skip

PyTree = Any
Context = Any
KeyPath = tuple
FlattenFunc = UnflattenFunc = FlattenWithKeysFunc = Callable
Test = Callable[[Any], bool] | None


# ---- places in a tree


@dataclasses.dataclass(frozen=True)
class SequenceKey:
    """The place of an item in a list or tuple."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        return sequence[self.idx]


@dataclasses.dataclass(frozen=True)
class MappingKey:
    """The place of a value in a dict."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        return mapping[self.key]


@dataclasses.dataclass(frozen=True)
class GetAttrKey:
    """The place of an attribute in an object."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        return getattr(obj, self.name)


def keystr(kp: Iterable[Any]) -> str:
    """A path as text: ['a'][0].weight."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: Iterable[Any]) -> Any:
    """What stands at a path."""
    for key in kp:
        obj = key.get(obj)
    return obj


# ---- kinds of nodes


class NodeDef(NamedTuple):
    """How objects of a class are taken apart and put together."""

    type: type
    flatten_fn: Callable[[Any], tuple[Any, Any]]
    unflatten_fn: Callable[[Any, Any], Any]
    flatten_with_keys_fn: Callable[[Any], tuple[Any, Any]] | None


def _list_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d), None


def _list_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return [(SequenceKey(i), v) for i, v in enumerate(d)], None


def _list_unflatten(values: Iterable[Any], context: Any) -> list[Any]:
    return list(values)


def _tuple_unflatten(values: Iterable[Any], context: Any) -> tuple[Any, ...]:
    return tuple(values)


def _dict_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), list(d)


def _dict_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return [(MappingKey(k), v) for k, v in d.items()], list(d)


def _dict_unflatten(values: Iterable[Any], context: Any) -> dict[Any, Any]:
    return dict(zip(context, values, strict=True))


def _ordereddict_unflatten(values: Iterable[Any], context: Any) -> OrderedDict[Any, Any]:
    return OrderedDict(zip(context, values, strict=True))


def _defaultdict_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), [d.default_factory, list(d)]


def _defaultdict_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return _dict_flatten_with_keys(d)[0], [d.default_factory, list(d)]


def _defaultdict_unflatten(values: Iterable[Any], context: Any) -> defaultdict[Any, Any]:
    return defaultdict(context[0], zip(context[1], values, strict=True))


def _deque_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d), d.maxlen


def _deque_unflatten(values: Iterable[Any], context: Any) -> deque[Any]:
    return deque(values, maxlen=context)


def _namedtuple_flatten(d: Any) -> tuple[list[Any], Any]:
    return list(d), type(d)


def _namedtuple_flatten_with_keys(d: Any) -> tuple[list[Any], Any]:
    return [(GetAttrKey(f), v) for f, v in zip(d._fields, d, strict=True)], type(d)


def _namedtuple_unflatten(values: Iterable[Any], context: Any) -> Any:
    return context(*values)


def _structseq_unflatten(values: Iterable[Any], context: Any) -> Any:
    return context(tuple(values))


class _NamedTupleKind:
    """The node type of all named tuples."""


class _StructSequenceKind:
    """The node type of the named results of operators."""


namedtuple, structseq = _NamedTupleKind, _StructSequenceKind
SUPPORTED_NODES: dict[Any, NodeDef] = {}
_serialized: dict[Any, tuple[str, Any, Any]] = {}  # by node type: its name in text, context to text and back
_constants: set[type] = set()


def register_pytree_node(
    cls: type,
    flatten_fn: Callable,
    unflatten_fn: Callable,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable | None = None,
    from_dumpable_context: Callable | None = None,
    flatten_with_keys_fn: Callable | None = None,
) -> None:
    """Makes objects of a class nodes.

    Args:
        flatten_fn: object -> (children, context).
        unflatten_fn: (children, context) -> object.
        flatten_with_keys_fn: object -> (pairs of a key and a child, context).
        serialized_type_name, to_dumpable_context, from_dumpable_context: for treespec_dumps and treespec_loads.

    Raises ValueError if the class is registered already.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or registered.")
    SUPPORTED_NODES[cls] = NodeDef(cls, flatten_fn, unflatten_fn, flatten_with_keys_fn)
    name = serialized_type_name or f"{cls.__module__}.{cls.__qualname__}"
    _serialized[cls] = name, to_dumpable_context, from_dumpable_context


def _register_pytree_node(cls: type, flatten_fn: Callable, unflatten_fn: Callable, to_str_fn: Any = None, maybe_from_str_fn: Any = None, **options: Any) -> None:  # fmt: skip
    """The older name."""
    register_pytree_node(cls, flatten_fn, unflatten_fn, **options)


_private_register_pytree_node = _register_pytree_node


def _deregister_pytree_node(cls: type) -> None:
    """Makes objects of the class leaves again."""
    SUPPORTED_NODES.pop(cls, None)
    _serialized.pop(cls, None)
    _constants.discard(cls)


def register_dataclass(cls: type, *, field_names: list[str] | None = None, drop_field_names: list[str] | None = None, serialized_type_name: str | None = None) -> None:  # fmt: skip
    """Makes objects of a dataclass nodes whose children are the fields; those that are None belong to the node itself."""
    if not dataclasses.is_dataclass(cls) and field_names is None:
        raise ValueError(f"register_dataclass: {cls} is no dataclass; give its field_names")
    names = field_names or [
        f.name for f in dataclasses.fields(cls) if f.init and f.name not in (drop_field_names or ())
    ]

    def flatten(obj: Any) -> tuple[list[Any], Any]:
        there = [n for n in names if getattr(obj, n) is not None]
        return [getattr(obj, n) for n in there], [there, [n for n in names if n not in there]]

    def flatten_with_keys(obj: Any) -> tuple[list[Any], Any]:
        children, context = flatten(obj)
        return [(GetAttrKey(n), c) for n, c in zip(context[0], children, strict=True)], context

    def unflatten(values: Iterable[Any], context: Any) -> Any:
        return cls(**dict(zip(context[0], values, strict=True)), **dict.fromkeys(context[1]))

    register_pytree_node(
        cls, flatten, unflatten, flatten_with_keys_fn=flatten_with_keys, serialized_type_name=serialized_type_name
    )


class ConstantNode(NamedTuple):
    """The context of an object that is no tensor and has none in it."""

    value: Any


def register_constant(cls: type) -> None:
    """Makes objects of a class nodes without children; they have to be hashable and comparable."""
    if cls.__eq__ is object.__eq__:
        raise TypeError(f"register_constant: {cls} has to define __eq__, so that trees can be compared")
    register_pytree_node(
        cls, lambda x: ([], ConstantNode(x)), lambda _, c: c.value, flatten_with_keys_fn=lambda x: ([], ConstantNode(x))
    )
    _constants.add(cls)


def is_constant_class(cls: type) -> bool:
    """Whether register_constant() was called for it."""
    return isinstance(cls, type) and cls in _constants


for _cls, _flatten, _unflatten, _keys in (
    (list, _list_flatten, _list_unflatten, _list_flatten_with_keys),
    (tuple, _list_flatten, _tuple_unflatten, _list_flatten_with_keys),
    (dict, _dict_flatten, _dict_unflatten, _dict_flatten_with_keys),
    (OrderedDict, _dict_flatten, _ordereddict_unflatten, _dict_flatten_with_keys),
    (defaultdict, _defaultdict_flatten, _defaultdict_unflatten, _defaultdict_flatten_with_keys),
    (deque, _deque_flatten, _deque_unflatten, lambda d: (_list_flatten_with_keys(d)[0], d.maxlen)),
    (namedtuple, _namedtuple_flatten, _namedtuple_unflatten, _namedtuple_flatten_with_keys),
    (structseq, _namedtuple_flatten, _structseq_unflatten, lambda d: (_list_flatten_with_keys(d)[0], type(d))),
):
    register_pytree_node(
        _cls,
        _flatten,
        _unflatten,
        flatten_with_keys_fn=_keys,
        serialized_type_name=f"{_cls.__module__}.{_cls.__name__}",
    )

BUILTIN_TYPES = frozenset(SUPPORTED_NODES)
STANDARD_DICT_TYPES = frozenset({dict, OrderedDict, defaultdict})


def is_namedtuple_class(cls: Any) -> bool:
    """Whether it is a class that collections.namedtuple or typing.NamedTuple made."""
    return isinstance(cls, type) and issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether it is an object of such a class."""
    return is_namedtuple_class(type(obj))


def is_structseq_class(cls: Any) -> bool:
    """Whether it is a class of named results, such as that of torch.max."""
    return (
        isinstance(cls, type)
        and issubclass(cls, tuple)
        and cls is not tuple
        and isinstance(getattr(cls, "n_sequence_fields", None), int)
    )


def is_structseq_instance(obj: Any) -> bool:
    """Whether it is an object of such a class."""
    return is_structseq_class(type(obj))


def is_namedtuple(obj: Any) -> bool:
    """Whether it is a named tuple, or the class of one."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_structseq(obj: Any) -> bool:
    """Whether it is a named result, or the class of one."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def _get_node_type(tree: Any) -> Any:
    """The key of SUPPORTED_NODES for an object; its type if it is a leaf."""
    kind = type(tree)
    if kind in SUPPORTED_NODES:
        return kind
    if is_namedtuple_class(kind):
        return namedtuple
    return structseq if is_structseq_class(kind) else kind


def tree_is_leaf(tree: Any, is_leaf: Test = None) -> bool:
    """Whether it is a leaf: no node's class, or `is_leaf` says so."""
    return is_leaf is not None and is_leaf(tree) or _get_node_type(tree) not in SUPPORTED_NODES


_is_leaf = tree_is_leaf


# ---- the shape of a tree


class TreeSpec:
    """The shape of a tree: the type of its root (None for a leaf), what else makes it up, and the specs of its children."""

    __slots__ = ("_children", "context", "num_leaves", "num_nodes", "type")

    def __init__(self, type: Any, context: Any, children_specs: Iterable[TreeSpec] = ()) -> None:
        self.type, self.context, self._children = type, context, tuple(children_specs)
        self.num_leaves = 1 if type is None else sum(c.num_leaves for c in self._children)
        self.num_nodes = 1 + sum(c.num_nodes for c in self._children)

    @property
    def children_specs(self) -> list[TreeSpec]:
        return list(self._children)

    @property
    def num_children(self) -> int:
        return len(self._children)

    def is_leaf(self) -> bool:
        return self.type is None

    def children(self) -> list[TreeSpec]:
        return list(self._children)

    def child(self, index: int) -> TreeSpec:
        return self._children[index]

    def _key(self) -> tuple:
        context = self.context
        if self.type in (dict, defaultdict):  # the order of keys does not matter
            keys = context if self.type is dict else context[1]
            pairs = zip(keys, self._children, strict=True)
            return self.type, None if self.type is dict else context[0], {k: v for k, v in pairs}
        return self.type, context, self._children

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves, self.num_nodes))

    def __repr__(self, indent: int = 0) -> str:
        if self.type is None:
            return "*"
        inside = ",\n".join(" " * (indent + 2) + c.__repr__(indent + 2) for c in self._children)
        inside = f"[{inside.lstrip()}]" if inside else "[]"
        return f"TreeSpec({getattr(self.type, '__name__', self.type)}, {self.context}, {inside})"

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this shape with these leaves."""
        return tree_unflatten(leaves, self)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """The parts of a tree that stand where this one has its leaves. ValueError if the tree is of another shape above them."""
        out: list[Any] = []
        self._match(tree, out)
        return out

    def _match(self, node: Any, out: list[Any]) -> None:
        if self.type is None:
            out.append(node)
            return
        kind = _get_node_type(node)
        if kind is not self.type and not (self.type in STANDARD_DICT_TYPES and kind in STANDARD_DICT_TYPES):
            raise ValueError(f"Type mismatch; expected {self.type!r}, but got {kind!r}.")
        if self.type in STANDARD_DICT_TYPES:
            keys = self.context[1] if self.type is defaultdict else self.context
            if set(keys) != set(node):
                missing, extra = set(keys) - set(node), set(node) - set(keys)
                raise ValueError(
                    f"Node keys mismatch:{f' missing key(s): {missing}' if missing else ''}{f' extra key(s): {extra}' if extra else ''}."
                )
            children: list[Any] = [node[k] for k in keys]
        else:
            found, context = SUPPORTED_NODES[kind].flatten_fn(node)
            children = list(found)
            if len(children) != len(self._children):
                raise ValueError(f"Node arity mismatch; expected {len(self._children)}, but got {len(children)}.")
            if context != self.context and self.type is not deque:
                raise ValueError(f"Node context mismatch for custom node type {self.type!r}.")
        for below, child in zip(self._children, children, strict=True):
            below._match(child, out)


class LeafSpec(TreeSpec):
    """The spec of a leaf."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, ())


_LEAF = LeafSpec()


def treespec_leaf() -> TreeSpec:
    """The spec of a leaf."""
    return _LEAF


def treespec_tuple(iterable: Iterable[TreeSpec] = (), /) -> TreeSpec:
    """The spec of a tuple of trees."""
    return TreeSpec(tuple, None, iterable)


def treespec_dict(mapping: Any = (), /, **kwargs: TreeSpec) -> TreeSpec:
    """The spec of a dict of trees."""
    specs = dict(mapping, **kwargs)
    return TreeSpec(dict, list(specs), specs.values())


# ---- what is done with trees


def tree_flatten(tree: Any, is_leaf: Test = None) -> tuple[list[Any], TreeSpec]:
    """The leaves from left to right, and the spec that puts them together again."""
    leaves: list[Any] = []
    return leaves, _take_apart(tree, is_leaf, leaves)


# Functions of the module, not of a call: one that calls itself from within a call is a cycle, which would keep the leaves until the
# next collection.
def _take_apart(node: Any, is_leaf: Test, leaves: list[Any]) -> TreeSpec:
    kind = _get_node_type(node)
    if is_leaf is not None and is_leaf(node) or kind not in SUPPORTED_NODES:
        leaves.append(node)
        return _LEAF
    children, context = SUPPORTED_NODES[kind].flatten_fn(node)
    return TreeSpec(kind, context, [_take_apart(c, is_leaf, leaves) for c in children])


def _put_together(spec: TreeSpec, rest: Iterator[Any]) -> Any:
    if spec.type is None:
        return next(rest)
    return SUPPORTED_NODES[spec.type].unflatten_fn([_put_together(c, rest) for c in spec._children], spec.context)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The tree of that spec with these leaves. ValueError if their number is another."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"Expected `treespec` to be a TreeSpec, but got item of type {type(treespec)}")
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec refers to a pytree that holds "
            f"{treespec.num_leaves} items ({treespec})."
        )
    return _put_together(treespec, iter(leaves))


def tree_iter(tree: Any, is_leaf: Test = None) -> Iterator[Any]:
    """The leaves from left to right, one by one."""
    if tree_is_leaf(tree, is_leaf):
        yield tree
        return
    for child in SUPPORTED_NODES[_get_node_type(tree)].flatten_fn(tree)[0]:
        yield from tree_iter(child, is_leaf)


def tree_leaves(tree: Any, is_leaf: Test = None) -> list[Any]:
    """The leaves from left to right."""
    return list(tree_iter(tree, is_leaf))


def arg_tree_leaves(*args: Any, **kwargs: Any) -> list[Any]:
    """The leaves of all arguments."""
    return tree_leaves((args, kwargs))


def tree_structure(tree: Any, is_leaf: Test = None) -> TreeSpec:
    """The spec of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Test = None) -> Any:
    """The tree with ``func(leaf, ...)`` for its leaves; more trees give further arguments."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [spec.flatten_up_to(r) for r in rests]
    return tree_unflatten([func(*items) for items in zip(leaves, *others, strict=True)], spec)


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: Test = None) -> Any:
    """Calls func for each leaf; returns the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def _chooser(type_or_types: Any) -> Callable[[Any], bool]:
    if isinstance(type_or_types, (type, tuple)) or hasattr(type_or_types, "__args__"):
        return lambda leaf: isinstance(leaf, type_or_types)
    if callable(type_or_types):
        return type_or_types
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(type_or_types: Any, /) -> Callable[[Callable], Callable]:
    """A decorator: the function is called for values of the types only; others stay."""
    chosen = _chooser(type_or_types)
    return lambda func: lambda leaf: func(leaf) if chosen(leaf) else leaf


def tree_map_only(type_or_types: Any, /, func: Callable, tree: Any, is_leaf: Test = None) -> Any:
    """As tree_map for leaves of a type, or for which a function is true; the others stay."""
    return tree_map(map_only(type_or_types)(func), tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types: Any, /, func: Callable, tree: Any, is_leaf: Test = None) -> Any:
    """As tree_map_ for leaves of a type."""
    return tree_map_(map_only(type_or_types)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: Test = None) -> bool:
    """Whether pred holds for all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: Test = None) -> bool:
    """Whether pred holds for some leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: Test = None) -> bool:
    """Whether pred holds for all leaves of a type."""
    chosen = _chooser(type_or_types)
    return all(pred(leaf) for leaf in tree_iter(tree, is_leaf) if chosen(leaf))


def tree_any_only(type_or_types: Any, /, pred: Callable[[Any], bool], tree: Any, is_leaf: Test = None) -> bool:
    """Whether pred holds for some leaf of a type."""
    chosen = _chooser(type_or_types)
    return any(pred(leaf) for leaf in tree_iter(tree, is_leaf) if chosen(leaf))


def _leaves_with_paths(path: tuple, tree: Any, is_leaf: Test) -> Iterator[tuple[tuple, Any]]:
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    node = SUPPORTED_NODES[_get_node_type(tree)]
    if node.flatten_with_keys_fn is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {node.type}. Please pass a flatten_with_keys_fn argument to "
            "register_pytree_node."
        )
    for key, child in node.flatten_with_keys_fn(tree)[0]:
        yield from _leaves_with_paths((*path, key), child, is_leaf)


def tree_leaves_with_path(tree: Any, is_leaf: Test = None) -> list[tuple[tuple, Any]]:
    """Pairs of a path and a leaf, from left to right."""
    return list(_leaves_with_paths((), tree, is_leaf))


def tree_flatten_with_path(tree: Any, is_leaf: Test = None) -> tuple[list[tuple[tuple, Any]], TreeSpec]:
    """Pairs of a path and a leaf, and the spec."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def tree_map_with_path(func: Callable, tree: Any, *rests: Any, is_leaf: Test = None) -> Any:
    """The tree with ``func(path, leaf, ...)`` for its leaves."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(r) for r in rests]
    return tree_unflatten([func(*pair, *rest) for pair, *rest in zip(pairs, *others, strict=True)], spec)


def _broadcast_to_and_flatten(tree: Any, treespec: TreeSpec, is_leaf: Test = None) -> list[Any] | None:
    """The leaves of a tree that may stop earlier than the spec does, each repeated for what stands below; None if it doesn't fit."""
    if tree_is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    kind = _get_node_type(tree)
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    children = list(children)
    if treespec.type is not kind or treespec.context != context or len(children) != len(treespec._children):
        return None
    out: list[Any] = []
    for child, spec in zip(children, treespec._children, strict=True):
        below = _broadcast_to_and_flatten(child, spec, is_leaf)
        if below is None:
            return None
        out += below
    return out


# ---- specs as text


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A spec as JSON. NotImplementedError for a class whose context has no text."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"treespec_dumps(treespec, protocol): Expected `treespec` to be instance of TreeSpec but got {type(treespec)}."
        )
    if protocol not in (None, 1):
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")

    def show(spec: TreeSpec) -> dict:
        if spec.type is None:
            return {"type": None, "context": None, "children_spec": []}
        name, to_text, _ = _serialized[spec.type]
        context = spec.context
        if to_text is not None:
            context = to_text(context)
        elif spec.type is namedtuple:
            context = f"{context.__module__}.{context.__qualname__}"
        elif spec.type is defaultdict:
            context = {"default_factory": [context[0].__module__, context[0].__qualname__], "dict_context": context[1]}
        try:
            context = json.dumps(context)
        except TypeError as e:
            raise NotImplementedError(
                f"Unable to serialize context. Please make the context json dump-able, or register a custom serializer for {name}: {e}"
            ) from None
        return {"type": name, "context": context, "children_spec": [show(c) for c in spec._children]}

    return json.dumps((1, show(treespec)), separators=(",", ":"))


def treespec_loads(serialized: str) -> TreeSpec:
    """The spec of such a text. NotImplementedError for a class that is not registered."""
    protocol, text = json.loads(serialized)
    if protocol != 1:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")
    kinds = {name: kind for kind, (name, _, _) in _serialized.items()}

    def named(module: str, name: str) -> Any:
        import importlib

        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def read(shown: dict) -> TreeSpec:
        if shown["type"] is None:
            return _LEAF
        if shown["type"] not in kinds:
            raise NotImplementedError(f"Deserializing {shown['type']} in pytree is not registered.")
        kind = kinds[shown["type"]]
        context, from_text = json.loads(shown["context"]), _serialized[kind][2]
        if from_text is not None:
            context = from_text(context)
        elif kind is namedtuple:
            context = named(*context.rsplit(".", 1))
        elif kind is defaultdict:
            context = [named(*context["default_factory"]), context["dict_context"]]
        return TreeSpec(kind, context, [read(c) for c in shown["children_spec"]])

    return read(text)


def treespec_pprint(treespec: TreeSpec) -> str:
    """The spec as a tree of stars."""

    class Star:
        def __repr__(self) -> str:
            return "*"

    return repr(tree_unflatten([Star() for _ in range(treespec.num_leaves)], treespec))


__getattr__ = _missing.getattr_of(__name__)
