"""saved_tensors_hooks: what backward needs goes through the user's functions."""

import gc
import weakref

import pytest
import torch

import rushlight

BOTH = pytest.mark.parametrize("T", [rushlight, torch], ids=["rushlight", "torch"])


def same(t):
    return t


@BOTH
def test_values_are_packed_once_and_read_back(T):
    packed, read = [], []

    def pack(t):
        packed.append((tuple(t.shape), T.is_grad_enabled()))
        return len(packed), t.double()

    def unpack(kept):
        read.append(kept[0])
        return kept[1].float() * 10

    x = T.tensor([1.0, 2.0], requires_grad=True)
    with T.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (x * x).sum()
        T.cat([x, x])
    outside = (x * x).sum()
    assert packed == [((2,), False)] * 2 and not read
    (y + outside).backward()
    assert sorted(read) == [1, 2] and x.grad.tolist() == [22.0, 44.0]


@BOTH
def test_the_innermost_pair_counts_and_results_are_packed_too(T):
    hooks = T.autograd.graph.saved_tensors_hooks
    x = T.ones(2, requires_grad=True)
    with hooks(same, lambda t: t * 0 + 7):
        with hooks(same, lambda t: t * 0 + 5):
            y = x.exp()
        z = x.exp()
    assert y.grad_fn._saved_result.tolist() == [5, 5]
    y.sum().backward(retain_graph=True)
    z.sum().backward()
    assert x.grad.tolist() == [12, 12]
    with pytest.raises(RuntimeError, match="a second time"):
        z.sum().backward()


@BOTH
def test_second_derivatives_go_through_packed_tensors(T):
    x = T.tensor([3.0], requires_grad=True)
    with T.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), T.tensor):
        y = (x * x * x).exp().log()
    (first,) = T.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = T.autograd.grad(first.sum(), x)
    assert (round(first.item(), 3), round(second.item(), 3)) == (27, 18)


@BOTH
def test_custom_functions(T):
    class Cube(T.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            out = a * a * a
            ctx.save_for_backward(a, None, out)
            return out

        @staticmethod
        def backward(ctx, g):
            a, nothing, out = ctx.saved_tensors
            assert nothing is None
            return g * 3 * out / a

    x = T.tensor([2.0], requires_grad=True)
    seen = []
    with T.autograd.graph.saved_tensors_hooks(lambda t: seen.append(1) or t.clone(), same):
        y = Cube.apply(x)
    (first,) = T.autograd.grad(y, x, create_graph=True)
    assert len(seen) == 2 and first.item() == 12 and T.autograd.grad(first, x)[0].item() == 12


@BOTH
def test_lists_and_overwritten_arguments(T):
    x = T.tensor([0.5, 2.0], requires_grad=True)
    with T.autograd.graph.save_on_cpu():
        (T.stack([x * 1, x * x]).prod(0).sum() + (x * 1).pow_(3).sum() + T.einsum("i,i->", x, x)).backward()
    assert x.grad.tolist() == pytest.approx([0.75 + 0.75 + 1, 12 + 12 + 4])


@BOTH
def test_mistakes(T):
    hooks = T.autograd.graph.saved_tensors_hooks
    x = T.ones(2, requires_grad=True)
    with hooks(lambda t: t.add_(1), same), pytest.raises(RuntimeError, match="pack hook is modifying its input"):
        x.clone() * x
    with hooks(lambda t: 1 / 0, same), pytest.raises(ZeroDivisionError):
        x * x
    with hooks(same, lambda t: 3):
        y = x.exp()
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor but got result of type int"):
        y.sum().backward()
    with (
        T.autograd.graph.disable_saved_tensors_hooks("not here"),
        pytest.raises(RuntimeError, match="not here"),
        hooks(same, same),
    ):
        pass
    with hooks(same, same):
        pass


def test_the_graph_frees_what_was_packed():
    x = rushlight.ones(2, requires_grad=True)
    kept = []

    class Packed:
        def __init__(self, t):
            self.t = t
            kept.append(weakref.ref(self))

    with rushlight.autograd.graph.saved_tensors_hooks(Packed, lambda p: p.t):
        y, z = x.exp(), (x * 1).exp()
    assert all(k() for k in kept)
    y.sum().backward()
    del z
    gc.collect()
    assert len(kept) == 2 and not any(k() for k in kept)


def test_hooks_cannot_be_forbidden_inside_of_hooks():
    graph = rushlight.autograd.graph
    with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        with pytest.raises(RuntimeError, match="none here"), graph.disable_saved_tensors_hooks("none here"):
            pass
    with graph.disable_saved_tensors_hooks("none here"), pytest.raises(RuntimeError, match="none here"):
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            pass
