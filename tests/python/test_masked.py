"""torch.masked: what is hidden takes no part, in every dtype."""

import pytest
import torch

import rushlight

FUNCTIONS = ["cumsum", "cumprod", "logsumexp", "softmax", "log_softmax", "softmin", "amax", "amin", "var", "std"]
DTYPES = ["uint8", "int32", "int64", "float32", "bfloat16", "complex64"]


def result(module, name, dtype, kwargs):
    x = module.tensor([[1, 2, 3], [4, 5, 0]]).to(getattr(module, dtype))
    mask = module.tensor([[True, False, True], [True, True, False]])
    if "dtype" in kwargs:
        kwargs = {"dtype": getattr(module, kwargs["dtype"])}
    return getattr(module.masked, name)(x, 1, mask=mask, **kwargs)


@pytest.mark.parametrize("kwargs", [{}, {"dtype": "float32"}], ids=["", "in float32"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_integers_hide_behind_their_own_limits(name, dtype, kwargs):
    try:
        expected = result(torch, name, dtype, kwargs)
    except (RuntimeError, TypeError):
        pytest.skip("PyTorch has no result here")
    found = result(rushlight, name, dtype, kwargs)
    assert str(found.dtype) == str(expected.dtype)
    for a, b in zip(found.flatten().tolist(), expected.flatten().tolist(), strict=True):
        assert a == pytest.approx(b, rel=1e-2 if dtype == "bfloat16" else 1e-5)
