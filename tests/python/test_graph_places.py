"""Places of the graph as objects: GradientEdge, nodes that are called, saved tensors with hooks, hooks on several gradients."""

import pytest
from rushlight.autograd.graph import GradientEdge, get_gradient_edge, register_multi_grad_hook

import rushlight as torch


def leaf(*values):
    return torch.tensor(values, requires_grad=True)


def test_grad_takes_an_edge_for_the_tensor():
    x = leaf(1.0, 2.0)
    y = x * 3
    edge = get_gradient_edge(y)
    out = (y * y).sum()
    assert torch.equal(torch.autograd.grad(out, edge, retain_graph=True)[0], 2 * y)
    # From an edge on: the second half of the same way.
    (half,) = torch.autograd.grad(out, edge)
    assert torch.equal(torch.autograd.grad(edge, x, half)[0], 6 * y)


def test_an_edge_stands_where_the_tensor_stood_before_it_was_written_to():
    x = leaf(1.0, 2.0) * 1
    edge = get_gradient_edge(x)
    x *= 2
    before, after = torch.autograd.grad(x.sum(), (edge, x))
    assert before.tolist() == [2, 2] and after.tolist() == [1, 1]


def test_edges_by_hand_and_as_inputs_of_backward():
    x = leaf(1.0, 2.0)
    y = x * 3
    edge = GradientEdge(y.grad_fn, 0)
    (y * 2).sum().backward(inputs=[edge, x])
    assert x.grad.tolist() == [6, 6]
    assert torch.autograd.grad((x * 5).sum(), GradientEdge(x.view_as(x).grad_fn.next_functions[0][0], 0))[
        0
    ].tolist() == [5, 5]


def test_edges_check_their_gradient():
    y = leaf(1.0, 2.0) * 3
    with pytest.raises(RuntimeError, match="implicitly created only for scalar outputs.*shape \\[2\\]"):
        torch.autograd.grad(get_gradient_edge(y), y)
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        torch.autograd.backward(get_gradient_edge(y), torch.ones(3))
    with pytest.raises(RuntimeError, match="has 1 inputs, got output_nr 4"):
        torch.autograd.grad(y.sum(), GradientEdge(y.grad_fn, 4))
    with pytest.raises(RuntimeError, match="cannot be used when the given input is a GradientEdge"):
        torch.autograd.grad(y.sum(), get_gradient_edge(leaf(1.0) * 2), materialize_grads=True)
    (g,) = torch.autograd.grad(y.sum(), get_gradient_edge(y), materialize_grads=True, retain_graph=True)
    assert g.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="cannot be empty"):
        torch.autograd.grad(y.sum(), [])


def test_a_node_is_its_function():
    x, y = leaf(2.0), leaf(5.0)
    node = (x * y).grad_fn
    assert [g.item() for g in node(torch.tensor([3.0]))] == [15, 6]
    assert (x**2).grad_fn(torch.ones(1)).item() == 4
    with pytest.raises(TypeError, match="expected 1 arguments, got 2 instead"):
        node(x, y)


def test_hooks_on_one_saved_tensor():
    x, y = leaf(2.0), leaf(5.0)
    out = x * y
    seen = []
    out.grad_fn._raw_saved_self.register_hooks(
        lambda t: seen.append(t.item()) or 7.0, lambda packed: torch.tensor([packed])
    )
    assert seen == [2]
    with pytest.raises(RuntimeError, match="already been set"):
        out.grad_fn._raw_saved_self.register_hooks(lambda t: t, lambda t: t)
    saved = out.grad_fn._raw_saved_other
    out.backward()
    assert y.grad.item() == 7 and x.grad.item() == 5
    with pytest.raises(RuntimeError, match="after it has been freed"):
        saved.register_hooks(lambda t: t, lambda t: t)
    with pytest.raises(RuntimeError, match="from Python is forbidden"):
        torch.autograd.SavedTensor()


def test_hooks_on_one_of_a_list_and_of_a_function():
    x = torch.ones(2, 3, requires_grad=True)
    index = torch.tensor([0, 2])
    node = x[:, index].grad_fn
    none, given = node._raw_saved_indices
    given.register_hooks(lambda t: t + 0, lambda t: t)
    assert torch.equal(node._saved_indices[1], index) and node._saved_indices[0] is None
    with pytest.raises(RuntimeError, match="None is forbidden"):
        none.register_hooks(lambda t: t, lambda t: t)

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a, None)
            return a * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    a = leaf(3.0)
    out = Twice.apply(a)
    first, second = out.grad_fn._raw_saved_tensors
    first.register_hooks(lambda t: t * 10, lambda t: t)
    with pytest.raises(RuntimeError, match="None is forbidden"):
        second.register_hooks(lambda t: t, lambda t: t)
    with pytest.raises(TypeError, match="expected two functions"):
        first.register_hooks(1, 2)
    out.backward()
    assert a.grad.item() == 30


def test_sizes_of_what_was_not_saved():
    x = torch.ones(2, 3, requires_grad=True)
    assert x.mean().grad_fn._saved_self_sym_sizes == (2, 3)
    with pytest.raises(AttributeError, match="_saved_nothing"):
        x.mean().grad_fn._saved_nothing  # noqa: B018


def test_multi_grad_hooks():
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    seen = []
    handle = register_multi_grad_hook((a, b, c), lambda grads: seen.append([g and g.item() for g in grads]))
    (a * b).backward()
    (a * b * c).backward()
    assert seen == [[2, 1, None], [6, 3, 2]]
    handle.remove()
    (a * b).backward()
    assert len(seen) == 2
    first = []
    with register_multi_grad_hook((a, b), first.append, mode="any"):
        (a + b).backward()
    assert len(first) == 1
    with pytest.raises(ValueError, match="mode"):
        register_multi_grad_hook((a,), print, mode="some")


def test_callbacks_run_when_the_pass_has_ended():
    x = leaf(1.0)
    order = []
    engine = torch.autograd.Variable._execution_engine

    def hook(g):
        engine.queue_callback(
            lambda: (order.append(x.grad.item()), engine.queue_callback(lambda: order.append("last")))
        )

    y = x * 3
    y.register_hook(hook)
    y.backward()
    assert order == [3, "last"]
    with pytest.raises(RuntimeError, match="only be installed during backward"):
        engine.queue_callback(print)


def test_views_that_may_not_be_written_to():
    class View(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x[0]

        @staticmethod
        def backward(ctx, g):
            return torch.stack([g, g * 0])

    x = leaf(1.0, 2.0) * 1
    with pytest.raises(RuntimeError, match="Output 0 of View is a view and is being modified inplace.*custom Function"):
        View.apply(x).add_(1)
    plain = View.apply(torch.ones(2))
    with pytest.raises(RuntimeError, match="created inside a custom Function"):
        plain += leaf(1.0)[0]
    late = View.apply(x)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="its base or another view of its base has been modified inplace"):
        late * 2  # noqa: B018
    for cut in (lambda t: t.unbind(), lambda t: t.split(1), lambda t: t.chunk(2), lambda t: t.split([1, 1])):
        with pytest.raises(RuntimeError, match="function that returns multiple views"):
            cut(leaf(1.0, 2.0) * 1)[0].add_(1)
    assert torch.unsafe_split(leaf(1.0, 2.0) * 1, 1)[0].add_(1).item() == 2
