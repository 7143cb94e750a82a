"""Every operator on the meta device, and second derivatives, against PyTorch on the samples of its own database."""

import pytest
import torch
from carry import counterpart, tensors, to_rushlight, to_torch
from test_operators import UNINITIALISED, cases, close, recorded, samples, seeded

import rushlight as rl

MOST = 8  # samples of an operator


def on_meta(value, tensor):
    if isinstance(value, tensor):
        return value.to("meta")
    if isinstance(value, (list, tuple)):
        items = [on_meta(item, tensor) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return {k: on_meta(v, tensor) for k, v in value.items()} if isinstance(value, dict) else value


def looks(value, tensor):
    return [(tuple(t.shape), str(t.dtype), str(t.device)) for t in tensors(value, tensor)]


@pytest.mark.parametrize("op, dtype", list(cases("meta", lambda op: True, [torch.float32])))
def test_meta(op, dtype):
    """The shapes, dtypes and device of results."""
    function = counterpart(op.op, op.name)
    for i, (x, args, kwargs, sample) in enumerate(samples(op, dtype)):
        if i == MOST:
            break
        try:
            theirs = looks(op(*on_meta((x, *args), torch.Tensor), **on_meta(kwargs, torch.Tensor)), torch.Tensor)
        except (RuntimeError, NotImplementedError):
            continue  # depends on values
        if not any(device == "meta" for _, _, device in theirs):
            continue
        mine = on_meta(to_rushlight((x, args, kwargs)), rl.Tensor)
        ours = looks(seeded(lambda: function(mine[0], *mine[1], **mine[2])), rl.Tensor)
        assert ours == theirs, f"sample {i}, {sample.summary()}"


def twice(library, outs, leaves, weights):
    """Gradients of a weighted sum of the gradients of `outs` by `leaves`, zeros where there are none."""
    first = library.autograd.grad(outs, leaves, weights[0], create_graph=True, allow_unused=True)
    again = [g for g in first if g is not None and g.requires_grad]
    if not again:
        return None
    picked = [w for g, w in zip(first, weights[1], strict=True) if g is not None and g.requires_grad]
    second = library.autograd.grad(again, leaves, picked, allow_unused=True)
    return [library.zeros_like(t) if g is None else g for t, g in zip(leaves, second, strict=True)]


@pytest.mark.parametrize("op, dtype", list(cases("gradgrad", lambda op: op.supports_gradgrad, [torch.float64])))
def test_second_derivatives(op, dtype):
    if UNINITIALISED.match(op.name):
        pytest.skip("values of no one")
    function = counterpart(op.op, op.name)
    for i, (x, args, kwargs, sample) in enumerate(samples(op, dtype, requires_grad=True)):
        if i == MOST:
            break
        outs, leaves = recorded(op, (x, args, kwargs), torch.Tensor)
        if not outs:
            continue
        my_outs, my_leaves = recorded(function, to_rushlight((x, args, kwargs)), rl.Tensor)
        torch.manual_seed(3)
        weights = [[torch.randn_like(t) for t in outs], [torch.randn_like(t) for t in leaves]]
        try:
            theirs = twice(torch, outs, leaves, weights)
        except RuntimeError:
            continue  # layer_norm without weight, and what PyTorch has no second derivative of
        if theirs is None:
            continue
        ours = twice(rl, my_outs, my_leaves, to_rushlight(weights))
        ours = [torch.zeros_like(t) for t in theirs] if ours is None else [to_torch(t) for t in ours]
        for mine, other in zip(ours, theirs, strict=True):  # each by the tolerance of its own dtype
            close(op, dtype, [mine], [other.detach().resolve_conj()], f"sample {i}, {sample.summary()}")
