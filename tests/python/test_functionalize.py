"""func.functionalize: what a trace of it holds, and that the trace computes what the function does."""

import pytest
import torch
from rushlight.fx.experimental.proxy_tensor import make_fx

import rushlight as rl


def to_slices(x):
    a, b = x.split(2)
    a.diagonal().add_(1)
    b[0] = 7
    return x


def to_a_transpose(x):
    y = x + x
    y.t()[0].mul_(2)
    y.transpose(0, 1)[1:].zero_()
    return y


def to_its_shape(x):
    y = x * 1
    y.unsqueeze_(0)
    y.fill_(3)
    y.squeeze_(0).t_()
    y.copy_(y.new_ones(4))
    return y


def to_out(x):
    y = x.new_empty(0)
    (rl if isinstance(x, rl.Tensor) else torch).add(x, x, out=y)
    y.view(-1)[2:4].clamp_(0, 1)
    return y


def to_more_views(x):
    y = x.clone()
    y.expand(3, 4, 2)[0].add_(1)
    y.select(0, 1).relu_()
    y.permute(1, 0).masked_fill_(y.t() > 1, 7.0)
    y.unfold(0, 2, 2).mul_(3)
    for i, row in enumerate(y.unbind()):
        row.sub_(i)
    y[y > 3] = 0
    return y, y.view(2, 4), y.squeeze()


def to_other_dtypes(x):
    y = x.long()
    y.view(y.dtype).add_(1)
    x.view(4, 1, 2).squeeze(1).unsqueeze(0).mul_(y)
    return y, x


def to_its_argument(x):
    y = x.detach()
    y.add_(1)
    x.transpose_(0, 1)
    return x.reshape(-1), y


FUNCTIONS = [to_slices, to_a_transpose, to_its_shape, to_out, to_more_views, to_other_dtypes, to_its_argument]


def written_to(graph):
    """The operators of a graph that write, but for those that write the results back to an argument."""
    names = [n.target for n in graph.find_nodes(op="call_function") if hasattr(n.target, "_schema")]
    back = ("aten.copy_.default", "aten.as_strided_.default", "aten.resize_.default")
    return [str(n) for n in names if n._schema.is_mutable and str(n) not in back]


@pytest.mark.parametrize("remove", ["mutations", "mutations_and_views"])
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_trace_writes_to_nothing_and_computes_the_same(f, remove):
    given = [1.0, -2.0, 3.0, 0.5, -1.0, 2.0, 4.0, -3.0]
    there = torch.tensor(given).view(4, 2)
    wanted = f(there)
    traced = make_fx(rl.func.functionalize(f, remove=remove))(rl.ones(4, 2))
    assert not written_to(traced.graph)
    if remove == "mutations_and_views":
        views = [str(n.target) for n in traced.graph.nodes if getattr(n.target, "is_view", False)]
        assert views == [], traced.code
    for here in (lambda x: rl.func.functionalize(f, remove=remove)(x), lambda x: traced(x)):
        x = rl.tensor(given).view(4, 2)
        found = here(x)
        flat = found if isinstance(found, tuple) else (found,)
        for a, b in zip(flat, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            assert a.tolist() == b.tolist()
        assert x.tolist() == there.tolist()


def test_what_has_no_form_without_writes_is_done_to_a_copy():
    def f(x):
        return x.view(-1).uniform_(2, 3)

    x = rl.zeros(3)
    traced = make_fx(rl.func.functionalize(f))(x)
    assert [str(n.target) for n in traced.graph.find_nodes(op="call_function")][:3] == [
        "aten.view.default",
        "aten.clone.default",
        "aten.uniform_.default",
    ]
    assert 2 <= traced(x).min() < 3 and 2 <= x.min() < 3


def test_an_argument_that_grows():
    def f(x):
        x.resize_(5)
        x.fill_(2)

    traced = make_fx(rl.func.functionalize(f))(rl.zeros(0))
    x = rl.zeros(0)
    traced(x)
    assert x.tolist() == [2.0] * 5


def test_under_gradients_and_batches():
    def f(x):
        y = x + x
        z = y.view(4, 2)
        y.add_(1)
        z[0].mul_(3)
        return (z * z).sum()

    x = rl.arange(8.0).view(4, 2)
    wanted = rl.func.grad(f)(x)
    traced = make_fx(rl.func.grad(rl.func.functionalize(f)))(x)
    assert traced(x + 1).tolist() == rl.func.grad(f)(x + 1).tolist()
    assert rl.func.grad(rl.func.functionalize(f))(x).tolist() == wanted.tolist()
    batch = rl.stack([x, x + 1])
    traced = make_fx(rl.func.vmap(rl.func.functionalize(f)))(batch)
    assert traced(batch * 2).tolist() == rl.func.vmap(f)(batch * 2).tolist()


def test_gradients_flow_through_what_comes_back():
    x = rl.ones(3, requires_grad=True)

    class Quiet(rl.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert not func._schema.is_mutable, func
            return func(*args, **(kwargs or {}))

    with Quiet():
        y = rl.func.functionalize(lambda x: (x * 2).mul_(3).view(3, 1))(x)
    y.sum().backward()
    assert y.tolist() == [[6.0]] * 3 and x.grad.tolist() == [6.0] * 3


def test_an_unknown_remove_is_refused():
    with pytest.raises(RuntimeError, match="Valid options are: 'mutations', 'mutations_and_views'. Got: views"):
        rl.func.functionalize(abs, remove="views")
