"""utils._pytree, compared with PyTorch's."""

from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass

import pytest
import torch.utils._pytree as reference
from rushlight.utils import _pytree as pytree

Point = namedtuple("Point", "x y")
TREES = [
    1,
    None,
    [],
    [1, (2, 3), {"b": 4, "a": [5]}],
    OrderedDict(a=1, b=(2,)),
    defaultdict(list, {"k": [1, 2]}),
    deque([1, 2], maxlen=3),
    Point(1, {"z": Point([2], 3)}),
]


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_as_pytorch_does_it(tree):
    leaves, spec = pytree.tree_flatten(tree)
    assert leaves == reference.tree_leaves(tree) and pytree.tree_unflatten(leaves, spec) == tree
    paths = [(pytree.keystr(path), leaf) for path, leaf in pytree.tree_leaves_with_path(tree)]
    assert paths == [(reference.keystr(path), leaf) for path, leaf in reference.tree_leaves_with_path(tree)]
    assert all(pytree.key_get(tree, path) == leaf for path, leaf in pytree.tree_leaves_with_path(tree))
    twice = [m.tree_map(lambda v: (v, 2), tree) for m in (pytree, reference)]
    assert twice[0] == twice[1] and type(twice[0]) is type(twice[1])
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec
    assert spec == pytree.tree_structure(pytree.tree_map(str, tree)) and spec.num_leaves == len(leaves)


def test_several_trees():
    assert pytree.tree_map(lambda a, b: a + b, {"a": 1, "b": [2]}, {"b": [20], "a": 10}) == {"a": 11, "b": [22]}
    assert pytree.tree_map(lambda a, b: (a, b), [1, 2], [[3], (4, 5)]) == [(1, [3]), (2, (4, 5))]
    with pytest.raises(ValueError, match="arity mismatch"):
        pytree.tree_map(lambda a, b: a, [1, 2], [1])
    with pytest.raises(ValueError, match="Type mismatch"):
        pytree.tree_map(lambda a, b: a, [1, 2], (1, 2))
    with pytest.raises(ValueError, match="holds 2 items"):
        pytree.tree_unflatten([1], pytree.tree_structure([1, 2]))


def test_of_some_types():
    tree = [1, "a", 2.0]
    assert pytree.tree_map_only(int, lambda v: -v, tree) == [-1, "a", 2.0]
    assert pytree.tree_map_only((int, float), lambda v: -v, tree) == [-1, "a", -2.0]
    assert pytree.tree_map_only(lambda v: v == "a", str.upper, tree) == [1, "A", 2.0]
    assert pytree.tree_any_only(int, lambda v: v == 1, tree) and pytree.tree_all_only(str, str.islower, tree)
    assert pytree.tree_leaves([1, (2, 3)], is_leaf=lambda v: isinstance(v, tuple)) == [1, (2, 3)]


def test_registered_classes():
    class Box:
        def __init__(self, inside, label):
            self.inside, self.label = inside, label

    pytree.register_pytree_node(
        Box,
        lambda b: ([b.inside], b.label),
        lambda c, label: Box(*c, label),
        flatten_with_keys_fn=lambda b: ([(pytree.GetAttrKey("inside"), b.inside)], b.label),
    )
    try:
        made = pytree.tree_map(lambda v: v + 1, [Box((1, 2), "l")])
        assert made[0].inside == (2, 3) and made[0].label == "l"
        assert pytree.keystr(pytree.tree_leaves_with_path(made)[1][0]) == "[0].inside[1]"
        with pytest.raises(ValueError, match="already registered"):
            pytree.register_pytree_node(Box, None, None)
        assert pytree.tree_structure(Box(1, "l")) != pytree.tree_structure(Box(1, "other"))
    finally:
        pytree._deregister_pytree_node(Box)

    @dataclass
    class Pair:
        a: object
        b: object = None

    pytree.register_dataclass(Pair)
    try:
        assert pytree.tree_leaves(Pair(1)) == [1] and pytree.tree_map(str, Pair(1, [2])) == Pair("1", ["2"])
    finally:
        pytree._deregister_pytree_node(Pair)


def test_leaves_are_kept_by_nobody():
    import gc
    import weakref

    class Leaf:
        pass

    tree = {"a": [Leaf()], "b": Leaf()}
    kept = weakref.ref(tree["b"])
    gc.collect()
    gc.disable()
    try:
        leaves, spec = pytree.tree_flatten(tree)
        assert pytree.tree_map(lambda x: x, pytree.tree_unflatten(leaves, spec)) == tree
        assert spec.flatten_up_to(tree) == leaves
        del tree, leaves
        assert kept() is None  # with the last name, not with the next collection
    finally:
        gc.enable()
