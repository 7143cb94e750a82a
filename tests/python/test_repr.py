"""The text of a tensor equals PyTorch's."""

import pytest
import torch as reference

import rushlight as torch

REFERENCE_DTYPES = [
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "bool",
]


@pytest.fixture(autouse=True)
def default_options():
    yield
    torch.set_printoptions(profile="default")
    reference.set_printoptions(profile="default")


def ours(t):
    data = t.detach().resolve_conj()
    made = torch.tensor(
        data.reshape(-1).tolist(), dtype=getattr(torch, str(data.dtype).removeprefix("torch."))
    ).reshape(tuple(data.shape))
    return made


def check(t):
    assert repr(ours(t)) == repr(t)


@pytest.mark.parametrize("dtype", REFERENCE_DTYPES)
@pytest.mark.parametrize(
    "shape",
    [
        (),
        (1,),
        (5,),
        (0,),
        (2, 3),
        (2, 0),
        (1, 1, 1),
        (2, 3, 4),
        (2, 2, 2, 2),
        (30, 3),
        (3, 40),
        (50, 50),
        (1001,),
        (9, 9, 20),
    ],
)
def test_dtypes_and_shapes(dtype, shape):
    reference.manual_seed(0)
    t = (reference.randn(shape, dtype=reference.complex64) if "complex" in dtype else reference.randn(shape) * 10).to(
        getattr(reference, dtype)
    )
    check(t)


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0], [1.5, 2.0], [1e-5, 1.0], [1e9, 1.0], [1e5, 1.0], [1e-4, 1e-4], [1e10], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), -float("inf")],
        [float("nan"), 0.25], [1.0, -1.0], [-0.0], [100000.0], [123456.789, 0.1], [1e-40], [1e38, 1.0], [float("inf"), 1e9],
    ],
)  # fmt: skip
def test_values(values):
    check(reference.tensor(values))
    check(reference.tensor(values, dtype=reference.float64))
    check(reference.tensor(values[0]))
    check(reference.tensor(values) * (1 + 0.5j))


@pytest.mark.parametrize(
    "options", [{"precision": 2}, {"precision": 8}, {"linewidth": 40}, {"threshold": 5}, {"edgeitems": 1, "threshold": 5}, {"edgeitems": 0}, {"edgeitems": 0, "threshold": 5}, {"sci_mode": True}, {"sci_mode": False},
                {"profile": "short"}, {"profile": "full"}],
)  # fmt: skip
def test_options(options):
    torch.set_printoptions(**options)
    reference.set_printoptions(**options)
    reference.manual_seed(1)
    for t in (reference.randn(7, 9), reference.randn(40) * 1e6, reference.arange(30), reference.tensor(3.14159265)):
        check(t)


def test_suffixes():
    assert repr(torch.zeros(2, device="meta")) == repr(reference.zeros(2, device="meta"))
    assert repr(torch.zeros(2, 3, device="meta", dtype=torch.int64)) == repr(
        reference.zeros(2, 3, device="meta", dtype=reference.int64)
    )
    assert repr(torch.ones(2, requires_grad=True)) == repr(reference.ones(2, requires_grad=True))
    assert repr(torch.ones(20, dtype=torch.float64, requires_grad=True)) == repr(
        reference.ones(20, dtype=reference.float64, requires_grad=True)
    )
    torch.set_default_dtype(torch.float64)
    try:
        assert repr(torch.ones(2)) == "tensor([1., 1.])"
        assert repr(torch.ones(2, dtype=torch.float32)) == "tensor([1., 1.], dtype=torch.float32)"
    finally:
        torch.set_default_dtype(torch.float32)


def test_str_and_format():
    assert (
        str(torch.tensor(1.5)) == "tensor(1.5000)"
        and f"{torch.tensor(1.5):.1f}" == "1.5"
        and f"{torch.tensor([1])}" == "tensor([1])"
    )


def test_small_types():
    assert repr(torch.float32) == "torch.float32" and repr(torch.strided) == "torch.strided"
    assert repr(torch.device("cuda", 1)) == "device(type='cuda', index=1)" and str(torch.device("cuda:1")) == "cuda:1"
    for name in ("float16", "bfloat16", "float32", "float64"):
        a, b = torch.finfo(getattr(torch, name)), reference.finfo(getattr(reference, name))
        assert (a.bits, a.eps, a.max, a.min, a.tiny, a.dtype) == (b.bits, b.eps, b.max, b.min, b.tiny, b.dtype)
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        a, b = torch.iinfo(getattr(torch, name)), reference.iinfo(getattr(reference, name))
        assert (a.bits, a.max, a.min, repr(a)) == (b.bits, b.max, b.min, repr(b))
