"""Helpers of the nn, optim and data tests: the same thing done in rushlight and in PyTorch, and compared."""

import re

import numpy as np
import pytest
import torch

import rushlight as rl


def to_torch(value):
    """A rushlight tensor, or a nest of them, as PyTorch tensors with the same values."""
    if isinstance(value, rl.Tensor):
        if value.dtype == rl.bfloat16:
            return torch.from_numpy(np.asarray(value.detach().float())).bfloat16()
        return torch.from_numpy(np.array(value.detach().numpy()))
    if isinstance(value, dict):
        return {k: to_torch(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_torch(v) for v in value]
    return value


def from_torch(value):
    """The other way."""
    if isinstance(value, torch.Tensor):
        tensor = rl.tensor(value.detach().numpy())
        return tensor.requires_grad_() if value.requires_grad else tensor
    if isinstance(value, dict):
        return type(value)((k, from_torch(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(from_torch(v) for v in value)
    return value


def assert_same(ours, theirs, rtol=None, atol=None, what=""):
    """Equal structure, shapes and dtypes, and close values; with rtol=0 bit-equal ones."""
    if isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), what
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(a, b, rtol, atol, f"{what}[{i}]")
        return
    if theirs is None:
        assert ours is None, what
        return
    if not isinstance(theirs, torch.Tensor):
        assert ours == theirs, what
        return
    a, b = to_torch(ours), theirs.detach()
    assert tuple(a.shape) == tuple(b.shape), f"{what}: shape {tuple(a.shape)}, PyTorch {tuple(b.shape)}"
    assert a.dtype == b.dtype, f"{what}: dtype {a.dtype}, PyTorch {b.dtype}"
    if rtol is not None and atol is None:
        atol = rtol
    torch.testing.assert_close(a, b, rtol=rtol, atol=atol, equal_nan=True, msg=lambda m: f"{what}: {m}")


def assert_bit_equal(ours, theirs, what=""):
    assert_same(ours, theirs, 0, 0, what)


def message(call, *args, **kwargs):
    """The type and text of the error that a call raises."""
    try:
        call(*args, **kwargs)
    except Exception as e:
        # What is said besides begins with "Hint: ".
        text = re.sub(r"\.?\s*Hint: [^\n]*", "", str(e).replace("rushlight.", "torch."))
        return type(e).__name__, text.rstrip(". ")
    raise AssertionError("no error")


def needs(*operators):
    """A mark: the test is skipped where the build has no record of an operator."""
    missing = [name for name in operators if not hasattr(rl._C._ops, name)]
    return pytest.mark.skipif(bool(missing), reason=f"no record yet of {', '.join(missing)}")
