"""Samples of PyTorch's own database with one tensor spoiled: any operator answers with a result or with an error, never a crash.

The errors must be those that PyTorch's users catch. It says most in a build under sanitizers (tests/README.md).
"""

import itertools
import os

import pytest
import torch
from carry import counterpart, tensors, to_rushlight
from test_operators import UNINITIALISED, entries, title

import rushlight as rl

pytestmark = pytest.mark.full
SAMPLES = int(os.environ.get("RUSHLIGHT_SAMPLES", 4))
# NotImplementedError is a RuntimeError; multi_head_attention_forward asserts its shapes, as PyTorch's does.
ERRORS = (RuntimeError, ValueError, TypeError, IndexError, MemoryError, AssertionError)
OURS = "rushlight has a bug"

# What becomes of one tensor among the arguments.
SPOILS = {
    "float16": lambda t: t.to(rl.float16),
    "int64": lambda t: t.to(rl.int64),
    "complex128": lambda t: t.to(rl.complex128),
    "bool": lambda t: t.to(rl.bool),
    "one dimension more": lambda t: t.unsqueeze(0),
    "one dimension less": lambda t: t.select(0, 0) if t.dim() and t.size(0) else t.reshape(-1),
    "longer": lambda t: rl.cat([t, t], -1) if t.dim() else t.expand(2),
    "shorter": lambda t: t.narrow(-1, 0, max(t.size(-1) - 1, 0)) if t.dim() else t.reshape(1)[:0],
    "empty": lambda t: t.narrow(0, 0, 0) if t.dim() else t.reshape(1)[:0],
    "no dimensions": lambda t: t.reshape(-1)[0] if t.numel() else rl.ones(()).to(t.dtype),
    "other strides": lambda t: t.mT.contiguous().mT if t.dim() > 1 else rl.stack([t, t], -1)[..., 0],
    "backwards in memory": lambda t: t.transpose(0, -1) if t.dim() > 1 else t,
    "overlapping": lambda t: t.narrow(0, 0, 1).expand(t.shape) if t.dim() and t.size(0) else t,
    "meta": lambda t: t.to("meta"),
    "past the end": lambda t: t.abs() + 2**40 if not t.is_floating_point() and not t.is_complex() else t * 1e30,
    "negative": lambda t: t.abs().neg() - 1 if not t.dtype == rl.bool else ~t,
    "nan": lambda t: t * float("nan"),
}


def replaced(nest, count, spoil):
    """The nest of arguments with its count-th tensor spoiled; the number of tensors passed is in seen[0]."""
    seen = [0]

    def walk(value):
        if isinstance(value, rl.Tensor):
            seen[0] += 1
            if seen[0] - 1 != count:
                return value
            new = spoil(value.detach())
            differentiable = new.is_floating_point() or new.is_complex()
            return new.requires_grad_() if value.requires_grad and differentiable else new
        if isinstance(value, (list, tuple)):
            return type(value)(map(walk, value))
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items()}
        return value

    return walk(nest)


def touch(result):
    """Reads what came out, and goes back through it."""
    for t in tensors(result, rl.Tensor):
        if not t.is_meta and t.numel() < 2**20:
            t.detach().clone()
    roots = [t for t in tensors(result, rl.Tensor) if t.requires_grad]
    if roots:
        rl.autograd.backward(roots, [rl.ones_like(t) for t in roots])


def attempt(function, x, args, kwargs):
    try:
        touch(function(x, *args, **kwargs))
    except ERRORS as e:
        if OURS in str(e):
            pytest.fail(str(e))


def operators(wanted=lambda op: True):
    return [
        pytest.param(op, id=title(op))
        for op in entries()
        if op.dtypes and wanted(op) and not UNINITIALISED.match(op.name)
    ]


@pytest.mark.parametrize("op", operators())
def test_spoiled_samples(op):
    function = counterpart(op.op, op.name)
    dtype = torch.float32 if torch.float32 in op.dtypes else sorted(op.dtypes, key=str)[0]
    torch.manual_seed(1)
    inputs = op.sample_inputs("cpu", dtype, requires_grad=op.supports_autograd and dtype.is_floating_point)
    for sample in itertools.islice(inputs, SAMPLES):
        given = (sample.input, sample.args, sample.kwargs)
        if any(type(v).__name__ == "LinearCrossEntropyOptions" for v in sample.kwargs.values()):
            pytest.skip("the samples pass PyTorch's options")
        for i in range(min(len(tensors(given, torch.Tensor)), 6)):
            for spoil in SPOILS.values():
                mine = to_rushlight(given)
                try:
                    mine = replaced(mine, i, spoil)
                except ERRORS:  # a bool can't be negated
                    continue
                rl.manual_seed(1)
                attempt(function, *mine)


@pytest.mark.parametrize("op", operators(lambda op: op.supports_out))
def test_spoiled_out(op):
    """out= of another shape, dtype, device, without room, overlapping itself or an argument."""
    function = counterpart(op.op, op.name)
    dtype = torch.float32 if torch.float32 in op.dtypes else sorted(op.dtypes, key=str)[0]
    torch.manual_seed(1)
    for sample in itertools.islice(op.sample_inputs("cpu", dtype), SAMPLES):
        given = (sample.input, sample.args, sample.kwargs)
        theirs = op(sample.input, *sample.args, **sample.kwargs)
        shapes = tensors(theirs, torch.Tensor)
        for i, spoil in itertools.product(range(len(shapes)), SPOILS.values()):
            outs = [rl.zeros(tuple(t.shape), dtype=to_rushlight(t.dtype)) for t in shapes]
            try:
                outs[i] = spoil(outs[i])
            except ERRORS:
                continue
            mine = to_rushlight(given)
            rl.manual_seed(1)
            attempt(function, mine[0], mine[1], {**mine[2], "out": outs[0] if len(outs) == 1 else tuple(outs)})
        if isinstance(theirs, torch.Tensor):
            for i in range(len(tensors(given, torch.Tensor))):
                mine = to_rushlight(given)
                own = tensors(mine, rl.Tensor)[i]
                shifted = own.reshape(-1)[1:] if own.layout == rl.strided else own
                for out in (own, own.t() if own.dim() == 2 else own, shifted):
                    attempt(function, mine[0], mine[1], {**mine[2], "out": out.detach()})
