"""arange, linspace and logspace in every dtype, with bounds and steps from everywhere, against PyTorch."""

import itertools
import math

import numpy as np
import pytest
import torch

import rushlight as rl

inf, nan = math.inf, math.nan
DTYPES = ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "bool", "complex64"]
ARANGES = [
    *itertools.product(
        [0, 0.5, -0.5, -2.5, 5, 3], [0, 3.5, 9.86, -1.5, 5], [1, -1, 0.5, 1.3, -1.5, 0.1, 100, inf, nan]
    ),
    *[(0, 0, 1), (0, 0, -1), (0, nan, 1), (0, inf, 1), (nan, 5, 1), (-inf, 5, 1), (0, 300, 100), (0, 257, 1)],
    *[(0, 2**40, 2**39), (0, 10, 2**62), (0, 70000, 30000), (True, 5, 2), (0.0, 10, 3), (0, 1e19, 1)],
    *[(1, 2, 1e-20), (-1, -5, -1), (0, 1 + 1j, 1)],
]
LINSPACES = [
    *itertools.product([0, -3, 0.5, 5], [1, 300, 7.9, -128, 127, 0], [0, 1, 2, 5, 33]),
    *[(0, 1, -1), (0, inf, 3), (nan, 1, 3), (0, 1e5, 5), (0, 1e39, 3), (1e40, 0, 2), (0, 1j, 3), (0, 2**62, 3)],
]
LOGSPACES = [
    *itertools.product([0, -2, 0.5], [1, 2, 2.5], [0, 1, 3, 5]),
    *[(0, 1, -1), (0, inf, 2), (nan, 1, 2), (0, 8, 9, 2), (0, 3, 4, 0), (0, 3, 4, -2)],
]


def outcome(module, name, args, dtype):
    try:
        return getattr(module, name)(*args, dtype=getattr(module, dtype)).tolist()
    except (RuntimeError, TypeError, ValueError):
        return "error"


def same(a, b, dtype):
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    tolerance = 1e-2 if dtype.endswith("float16") else 1e-6
    return len(a) == len(b) and np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_arange(dtype):
    for args in ARANGES:
        if dtype == "int64" and isinstance(args[2], float) and args[2] % 1:
            continue  # PyTorch counts with the step cut, and gives elements beyond the end
        assert same(outcome(rl, "arange", args, dtype), outcome(torch, "arange", args, dtype), dtype), args


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16"])
def test_arange_of_integers_between_fractions(dtype):
    """In int64 the bounds are cut before the elements are counted, in narrower integers after; a step with a fraction counts as it is."""
    for start, end, step in itertools.product([0, 0.5, -0.5, 2.9], [3.1, 9.86, 10], [1, 1.3, 2.5, 3]):
        ours = rl.arange(start, end, step, dtype=getattr(rl, dtype))
        if step % 1:
            assert ours.tolist() == [int(start) + i * int(step) for i in range(math.ceil((end - start) / step))]
            continue
        assert ours.tolist() == torch.arange(start, end, step, dtype=getattr(torch, dtype)).tolist(), (start, end, step)


def test_arange_at_the_ends_of_64_bits():
    least, most = -(2**63), 2**63 - 1
    assert rl.arange(most - 2, most).tolist() == [most - 2, most - 1]
    assert rl.arange(least, most, 2**62).tolist() == [least, -(2**62), 0, 2**62]
    assert rl.arange(most, least, least).tolist() == [most, -1]
    assert rl.arange(0, 10, most).tolist() == [0]
    assert rl.arange(2**53, 2**53 + 3).tolist() == [2**53, 2**53 + 1, 2**53 + 2]
    with pytest.raises((RuntimeError, MemoryError)):
        rl.arange(most)
    with pytest.raises(RuntimeError):
        rl.arange(1e19)


@pytest.mark.parametrize("dtype", DTYPES)
def test_linspace(dtype):
    for args in LINSPACES:
        assert same(outcome(rl, "linspace", args, dtype), outcome(torch, "linspace", args, dtype), dtype), args


@pytest.mark.parametrize("dtype", DTYPES)
def test_logspace(dtype):
    for args in LOGSPACES:
        if dtype == "uint8" and args[0] < 0:
            continue  # what PyTorch makes of a byte of -2
        assert same(outcome(rl, "logspace", args, dtype), outcome(torch, "logspace", args, dtype), dtype), args


@pytest.mark.parametrize("dtype, most", [("float16", 65504.0), ("float32", 3.4e38), ("float64", 1.7e308)])
def test_linspace_over_the_whole_range(dtype, most):
    """The distance of the ends is beyond the dtype, no element is."""
    d = getattr(rl, dtype)
    ours = rl.linspace(-most, most, 5, dtype=d).double()
    wanted = rl.tensor([-most, -most / 2, 0, most / 2, most], dtype=d).double()
    assert rl.allclose(ours, wanted, rtol=1e-3)


def test_linspace_ends_are_exact():
    least, most = -(2**63), 2**63 - 1
    assert rl.linspace(least, most, 3, dtype=rl.int64).tolist()[::2] == [least, most]
    assert rl.linspace(0, 2**62 + 1, 2, dtype=rl.int64).tolist() == [0, 2**62 + 1]
