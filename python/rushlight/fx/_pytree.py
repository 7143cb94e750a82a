"""Trees taken apart by a spec that was made elsewhere: what generated code does with its arguments."""

from __future__ import annotations

from typing import Any

from ..utils._pytree import TreeSpec, namedtuple, structseq

_by_spec: dict[type, Any] = {}


def register_pytree_flatten_spec(cls: type, flatten_fn_spec, flatten_fn_exact_match_spec=None) -> None:
    """How objects of a class are taken apart when their spec is known: flatten_fn_spec(object, spec) -> children."""
    _by_spec[cls] = flatten_fn_spec


def children_of(spec: TreeSpec) -> list[TreeSpec]:
    """The specs one level down."""
    found = spec.children
    return list(found() if callable(found) else found)


def tree_flatten_spec(pytree: Any, spec: TreeSpec) -> list[Any]:
    """The leaves as `spec` has them; what the tree holds beyond that is left out."""
    if spec.type is None:
        return [pytree]
    # By index and key, so that a proxy is taken apart too.
    if spec.type in _by_spec:
        children = _by_spec[spec.type](pytree, spec)
    elif issubclass(spec.type, dict):
        children = [pytree[k] for k in spec.context]
    elif spec.type in (namedtuple, structseq) or issubclass(spec.type, (list, tuple)):
        children = [pytree[i] for i in range(len(children_of(spec)))]
    else:
        raise RuntimeError(
            f"tree_flatten_spec: {spec.type} has no function for specs; see torch.fx._pytree.register_pytree_flatten_spec"
        )
    return [leaf for child, s in zip(children, children_of(spec), strict=True) for leaf in tree_flatten_spec(child, s)]
