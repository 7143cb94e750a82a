"""torch.testing.assert_close, asarray and small helpers."""

import numpy as np
import pytest
from rushlight.testing import assert_close

import rushlight as torch


def test_close_things_pass():
    assert_close(torch.ones(3), torch.ones(3) + 1e-7)
    assert_close({"a": [1.0, torch.zeros(2)]}, {"a": [1.0, torch.zeros(2)]})
    assert_close(torch.tensor(float("nan")), torch.tensor(float("nan")), equal_nan=True)
    assert_close(1, 1)


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (torch.ones(3), torch.tensor([1.0, 2.0, 1.0]), "Mismatched elements: 1 / 3"),
        (torch.ones(3), torch.ones(2), "'shape'"),
        (torch.ones(3), torch.ones(3, dtype=torch.float64), "'dtype'"),
        ([1.0], [1.0, 2.0], "length"),
        ({"a": [1.0]}, {"a": [2.0]}, r"item \['a'\]\[0\]"),
        (float("nan"), float("nan"), "Scalars are not close"),
    ],
)
def test_others_do_not(a, b, text):
    with pytest.raises(AssertionError, match=text):
        assert_close(a, b)


def test_asarray():
    a = np.ones(2)
    shared, copied = torch.asarray(a), torch.asarray(a, copy=True)
    a[0] = 7
    assert shared.tolist() == [7, 1] and copied.tolist() == [1, 1]
    assert torch.asarray([1, 2], dtype=torch.float32).dtype is torch.float32
    assert torch.asarray(b"\x01\x02", dtype=torch.uint8).tolist() == [1, 2]
    t = torch.ones(1)
    assert torch.asarray(t) is t


def test_small_methods():
    x = torch.tensor([1.0, 2.0])
    assert x.clone().map_(torch.tensor([10.0]), lambda a, b: a + b).tolist() == [11, 12]
    assert x.clone().apply_(lambda a: -a).tolist() == [-1, -2]
    assert list(reversed(x)) == [2, 1] and complex(torch.tensor(2j)) == 2j
    assert torch.zeros(2, 3).t().dim_order() == (1, 0)
    assert x.where(x > 1, torch.tensor(0.0)).tolist() == [0, 2]
    assert x.shape is x.shape and x.unsqueeze_(0).shape == (1, 2)
