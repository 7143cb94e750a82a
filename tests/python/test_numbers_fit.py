"""A number that is written into a tensor fits its dtype, or PyTorch's error says that it doesn't."""

import math

import pytest
import torch

import rushlight as rl

DTYPES = ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "bool", "complex64"]
NUMBERS = [0, 1, 255, 256, 300, -1, -128, -129, -255, -256, 127, 128, 65504, 65519, 65520, 70000]
NUMBERS += [2**31 - 1, 2**31, -(2**31), 2**40, 1.5, -0.5, -1.5, 255.9, 256.0, 1e10, 9.3e18, 1e20, 1e39, 1e40, True]
NUMBERS += [math.inf, -math.inf, math.nan, 1 + 0j, 1 + 1j, 1e39 + 1j]


def put(t, index, value):
    t[index] = value
    return t


# How a number gets into a tensor of two elements of dtype d.
WRITERS = {
    "full": lambda m, d, v: m.full((2,), v, dtype=d),
    "full_like": lambda m, d, v: m.full_like(m.zeros(2, dtype=d), v),
    "new_full": lambda m, d, v: m.zeros(1).new_full((2,), v, dtype=d),
    "scalar_tensor": lambda m, d, v: m.scalar_tensor(v, dtype=d),
    "tensor": lambda m, d, v: m.tensor([v], dtype=d),
    "fill_": lambda m, d, v: m.zeros(2, dtype=d).fill_(v),
    "item": lambda m, d, v: put(m.zeros(2, dtype=d), 0, v),
    "items": lambda m, d, v: put(m.zeros(2, dtype=d), slice(None), v),
    "masked item": lambda m, d, v: put(m.zeros(2, dtype=d), m.tensor([True, False]), v),
    "indexed item": lambda m, d, v: put(m.zeros(2, dtype=d), m.tensor([0, 1]), v),
    "masked_fill": lambda m, d, v: m.zeros(2, dtype=d).masked_fill(m.tensor([True, False]), v),
    "masked_fill_": lambda m, d, v: m.zeros(2, dtype=d).masked_fill_(m.tensor([False, False]), v),
    "index_fill": lambda m, d, v: m.zeros(2, dtype=d).index_fill(0, m.tensor([1]), v),
    "scatter": lambda m, d, v: m.zeros(2, dtype=d).scatter(0, m.tensor([1]), v),
    "where": lambda m, d, v: m.where(m.tensor([True, False]), m.zeros(2, dtype=d), v),
    "pad": lambda m, d, v: m.constant_pad_nd(m.zeros(2, dtype=d), (1, 0), v),
    "clamp": lambda m, d, v: m.ones(2, dtype=d).clamp(min=v),
    "clamp_max": lambda m, d, v: m.ones(2, dtype=d).clamp_max(v),
    "threshold": lambda m, d, v: m.threshold(m.ones(2, dtype=d), 1, v),
    "alpha": lambda m, d, v: m.add(m.ones(2, dtype=d), m.ones(2, dtype=d), alpha=v),
    "index_add": lambda m, d, v: m.ones(2, dtype=d).index_add(0, m.tensor([0]), m.ones(1, dtype=d), alpha=v),
    "addcmul": lambda m, d, v: m.addcmul(m.ones(2, dtype=d), m.ones(2, dtype=d), m.ones(2, dtype=d), value=v),
    "beta": lambda m, d, v: m.addmm(*[m.ones(1, 1, dtype=d)] * 3, beta=v),
    "pow": lambda m, d, v: m.ones(2, dtype=d) ** v,
}
# Where PyTorch goes ways of its own: a bool and a complex number among other dtypes.
APART = {"clamp", "clamp_max", "threshold", "where", "alpha", "index_add", "addcmul", "beta", "pow", "masked_fill"}
APART |= {"masked_fill_", "index_fill", "scatter", "tensor", "pad"}


def outcome(module, write, dtype, value):
    """The values, or the kind of error."""
    try:
        r = write(module, getattr(module, dtype), value)
    except (RuntimeError, ValueError, TypeError) as e:
        return "too large" if "without overflow" in str(e) else "error"
    return str(r.dtype).split(".")[-1], [str(v) for v in r.reshape(-1).tolist()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WRITERS)
def test_as_pytorch(name, dtype):
    for value in NUMBERS:
        if name in APART and (isinstance(value, (complex, bool)) or dtype in ("bool", "complex64")):
            continue
        if name == "index_add" and isinstance(value, float) and "int" in dtype:
            continue  # refused as in add, where PyTorch cuts
        theirs, ours = (outcome(m, WRITERS[name], dtype, value) for m in (torch, rl))
        assert ours == theirs, value


def test_tensors_are_converted_without_a_check():
    assert rl.tensor([300, -1]).to(rl.uint8).tolist() == [44, 255]
    assert rl.zeros(2, dtype=rl.uint8).fill_(rl.tensor(300)).tolist() == [44, 44]
    assert put(rl.zeros(2, dtype=rl.uint8), 0, rl.tensor(300)).tolist() == [44, 0]
    assert (rl.zeros(2, dtype=rl.uint8) + 300).tolist() == [44, 44]
    assert (rl.zeros(2) + 1e40).tolist() == [math.inf, math.inf]
    assert (rl.zeros(2, dtype=rl.float16) + 1e10).tolist() == [math.inf, math.inf]


def test_the_text_names_type_and_value():
    with pytest.raises(RuntimeError, match="value cannot be converted to type uint8_t without overflow: 256"):
        rl.full((2,), 256, dtype=rl.uint8)
    with pytest.raises(RuntimeError, match="Boolean alpha only supported for Boolean results"):
        rl.add(rl.ones(2), rl.ones(2), alpha=True)
    with pytest.raises(RuntimeError, match="argument alpha must not be a floating point number"):
        rl.add(rl.tensor([1]), rl.tensor([1]), alpha=1.5)


def test_the_gradient_of_a_large_number_is_the_number_that_is_used():
    x = rl.ones(2, requires_grad=True)
    rl.add(rl.zeros(2), x, alpha=3e38).sum().backward()
    assert x.grad.tolist() == rl.tensor([3e38, 3e38]).tolist()


RANGES = [(0, 256), (0, 257), (0, 300), (-1, 5), (-128, 128), (-129, 5), (-128, 129), (0, 2), (0, 3), (-1, 1), (5, 5)]
RANGES += [(0, 2**31), (0, 2**31 + 1), (0, 2**30), (0, 65504), (0, 65505), (0, 65506), (0, 2050), (0, 2**24 + 2)]
RANGES += [(2**40, 2**41), (-(2**63), 2**63 - 1), (0, 2**62), (0, -(2**63)), (-(2**62), -5), (-2051, 5), (0, None)]
RANGES += [(5, None), (300, None), (-3, None), (2**31, None), (2**24, None), (5000, None), (2**63 - 1, None)]
RANGES += [(-(2**63), None), (-(2**40) - 1, 0)]


def drawn(module, dtype, low, high, how):
    module.manual_seed(3)
    d = getattr(module, dtype)
    try:
        if how == "random_":
            return module.zeros(20, dtype=d).random_(low, high).double().tolist()
        return module.randint(low, high, (20,), dtype=d).double().tolist()
    except RuntimeError:
        return "error"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("how", ["random_", "randint"])
@pytest.mark.filterwarnings("ignore:.*is out of bounds")
def test_bounds_of_random_integers(dtype, how):
    """The same numbers as PyTorch's with the same seed, and its errors."""
    for low, high in RANGES:
        if high is None and (how == "randint" or (low > 2**30 and "float" in dtype)):
            continue  # PyTorch runs for ever
        assert drawn(rl, dtype, low, high, how) == drawn(torch, dtype, low, high, how), (low, high)


def refused(call):
    try:
        call()
    except (RuntimeError, ValueError):
        return True
    return False


def test_parameters_of_distributions():
    inf, nan = math.inf, math.nan
    bounds = [0, 1, -1, inf, -inf, nan, 1e40, -1e40, 3e38, -3e38, 1e5, 65504, -65504, 1e308, -1e308]
    calls = {
        f"uniform_ {d} {a} {b}": lambda m, d=d, a=a, b=b: m.zeros(3, dtype=getattr(m, d)).uniform_(a, b)
        for d in ("float16", "bfloat16", "float32", "float64", "int32")
        for a in bounds
        for b in bounds
    }
    for p in (0, 1, 0.5, -0.1, 1.5, nan, inf, -inf):
        for name in ("bernoulli_", "geometric_", "exponential_"):
            calls[f"{name} {p}"] = lambda m, n=name, p=p: getattr(m.zeros(2), n)(p)
        for name in ("normal_", "log_normal_", "cauchy_"):
            calls[f"{name} {p}"] = lambda m, n=name, p=p: getattr(m.zeros(2), n)(0, p)
        calls[f"bernoulli_ tensor {p}"] = lambda m, p=p: m.zeros(2).bernoulli_(m.tensor([0.5, p]))
        calls[f"normal {p}"] = lambda m, p=p: m.normal(0.0, float(p), (2,))
        calls[f"normal of means {p}"] = lambda m, p=p: m.normal(m.zeros(2), p)
        calls[f"normal of deviations {p}"] = lambda m, p=p: m.normal(0.0, m.tensor([1.0, p]))
        calls[f"normal of both {p}"] = lambda m, p=p: m.normal(m.zeros(2), m.tensor([1.0, p]))
        calls[f"normal of both, empty {p}"] = lambda m, p=p: m.normal(m.zeros(2, 0), m.tensor([float(p)]))
        calls[f"dropout {p}"] = lambda m, p=p: m.nn.functional.dropout(m.ones(2), p)
    for n, d in ((256, "uint8"), (257, "uint8"), (128, "int8"), (129, "int8"), (2049, "float16"), (2050, "float16")):
        calls[f"randperm {n} {d}"] = lambda m, n=n, d=d: m.randperm(n, dtype=getattr(m, d))
    calls["randperm bool"] = lambda m: m.randperm(5, dtype=m.bool)
    calls["normal complex"] = lambda m: m.normal(m.zeros(2), m.ones(2, dtype=m.complex64))
    for name, call in calls.items():
        assert refused(lambda: call(rl)) == refused(lambda: call(torch)), name  # noqa: B023


LOSSES = ["binary_cross_entropy", "binary_cross_entropy_with_logits"]


@pytest.mark.parametrize("loss", LOSSES)
def test_targets_of_binary_cross_entropy(loss):
    for a in ("float32", "float64", "int64", "float16"):
        for b in ("float32", "float64", "int64", "uint8", "bool"):

            def call(m, a=a, b=b):
                x, y = m.tensor([1, 0]).to(getattr(m, a)), m.tensor([1, 1]).to(getattr(m, b))
                return getattr(m.nn.functional, loss)(x, y)

            assert refused(lambda: call(rl)) == refused(lambda: call(torch)), (a, b)  # noqa: B023


def test_probabilities_of_binary_cross_entropy():
    for x, y in ((1.5, 1.0), (-0.5, 1.0), (math.nan, 1.0), (0.5, 2.0), (0.5, -1.0), (0.5, math.nan)):
        with pytest.raises(RuntimeError, match="should be between 0 and 1"):
            rl.nn.functional.binary_cross_entropy(rl.tensor([x]), rl.tensor([y]))
