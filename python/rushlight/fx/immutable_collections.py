"""Lists and dicts that say no to changes: what nodes hold, so that a node always knows whom it uses."""

from __future__ import annotations

from ..utils._pytree import register_pytree_node

__all__ = ["immutable_dict", "immutable_list"]


def _refuse(self, *args, **kwargs):
    raise NotImplementedError(
        f"'{type(self).__name__}' object does not support mutation. If you are attempting to modify the kwargs or args of a "
        "torch.fx.Node object, instead create a new copy of it and assign the copy to the node: new_args = ... ; "
        "node.args = new_args"
    )


class immutable_list(list):
    """A list that raises NotImplementedError when it is changed."""

    append = extend = insert = pop = remove = clear = reverse = sort = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __hash__(self):
        return hash(tuple(self))

    def __reduce__(self):
        return immutable_list, (tuple(self),)

    def __deepcopy__(self, memo):
        from copy import deepcopy

        return immutable_list(deepcopy(x, memo) for x in self)


class immutable_dict(dict):
    """A dict that raises NotImplementedError when it is changed."""

    clear = pop = popitem = setdefault = update = __setitem__ = __delitem__ = __ior__ = _refuse

    def __hash__(self):
        return hash(frozenset(self.items()))

    def __reduce__(self):
        return immutable_dict, (tuple(self.items()),)

    def __deepcopy__(self, memo):
        from copy import deepcopy

        return immutable_dict((deepcopy(k, memo), deepcopy(v, memo)) for k, v in self.items())


register_pytree_node(immutable_list, lambda x: (list(x), None), lambda values, _: immutable_list(values))
register_pytree_node(
    immutable_dict,
    lambda x: (list(x.values()), list(x)),
    lambda values, keys: immutable_dict(zip(keys, values, strict=True)),
)
