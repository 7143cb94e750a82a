"""Memory shared with numpy, buffers and DLPack."""

import array
import gc
import weakref

import numpy as np
import pytest
import torch as reference

import rushlight as torch

DTYPES = [
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "bool",
]


def test_tensor_copies_and_from_numpy_shares():
    a = np.array([1.0, 2.0])
    copied, shared = torch.tensor(a), torch.from_numpy(a)
    a[0] = 5
    assert copied.tolist() == [1.0, 2.0] and shared.tolist() == [5.0, 2.0]
    shared.add_(1)
    assert a.tolist() == [6.0, 3.0]


def test_array_is_kept_alive():
    class Owner(np.ndarray):
        pass

    a = np.zeros(4).view(Owner)
    gone = weakref.ref(a)
    t = torch.from_numpy(a)
    v = t[1:]
    del a, t
    gc.collect()
    assert gone() is not None
    v.fill_(3)
    assert gone().tolist() == [0, 3, 3, 3]
    del v
    gc.collect()
    assert gone() is None


def test_tensor_is_kept_alive_by_its_array():
    t = torch.arange(4.0)
    a = t.numpy()
    t += 1
    del t
    gc.collect()
    assert a.tolist() == [1, 2, 3, 4]
    a[0] = 9
    assert torch.from_numpy(a)[0] == 9


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,), (2, 0, 3)])
def test_every_dtype_both_ways(dtype, shape):
    a = np.ones(shape, dtype)
    t = torch.from_numpy(a)
    assert str(t.dtype) == "torch." + dtype and tuple(t.shape) == shape
    back = t.numpy()
    assert back.dtype == a.dtype and back.shape == shape and (back == a).all()


def test_strides_are_kept():
    a = np.arange(12).reshape(3, 4).T
    t = torch.from_numpy(a)
    assert t.stride() == (1, 4) and t.tolist() == a.tolist()
    assert torch.arange(6).view(2, 3).t().numpy().strides == (8, 24)


BAD = {
    "negative strides": lambda: np.arange(4)[::-1],
    "byte order": lambda: np.arange(4, dtype=">i4"),
    "objects": lambda: np.array([object()]),
    "text": lambda: np.array(["a"]),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "uneven strides": lambda: np.zeros(3, dtype=[("a", "u1"), ("b", "<f4")])["b"],
}


@pytest.mark.parametrize("name", BAD)
def test_arrays_that_cannot_be_shared(name):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        reference.from_numpy(BAD[name]())
    with pytest.raises(theirs.type) as ours:
        torch.from_numpy(BAD[name]())
    assert str(ours.value).split(".")[0] == str(theirs.value).split(".")[0]


def test_read_only_arrays_warn_and_refuse_writes():
    a = np.arange(3.0)
    a.flags.writeable = False
    import warnings

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        t = torch.from_numpy(a)
    with pytest.raises(RuntimeError, match="read-only"):
        t.add_(1)
    with pytest.raises(RuntimeError, match="read-only"):
        t[0] = 1
    assert not t.numpy().flags.writeable
    t.clone().add_(1)


def test_from_numpy_wants_an_array():
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        torch.from_numpy([1])


def test_numpy_of_what_it_cannot_be():
    with pytest.raises(TypeError, match="BFloat16"):
        torch.ones(2, dtype=torch.bfloat16).numpy()
    with pytest.raises(RuntimeError, match="requires grad"):
        torch.ones(2, requires_grad=True).numpy()


def test_numpy_functions_and_operators():
    t = torch.tensor([1.0, 4.0])
    assert (
        np.sqrt(t.numpy()).tolist() == [1, 2]
        and np.asarray(t).tolist() == [1, 4]
        and np.array(t, dtype=np.float64).dtype == np.float64
    )
    assert isinstance(t * np.ones(2, np.float32), torch.Tensor) and isinstance(t * np.float32(2), torch.Tensor)
    assert (t == np.ones(2)).tolist() == [True, False] and (np.ones(2) == t).tolist() == [True, False]
    assert (np.float64(2) * t).tolist() == [2, 8]


def test_buffers():
    raw = bytearray(b"\x01\x00\x02\x00")
    t = torch.frombuffer(raw, dtype=torch.int16)
    assert t.tolist() == [1, 2]
    raw[0] = 7
    assert t.tolist() == [7, 2]
    assert torch.frombuffer(array.array("d", [1.0, 2.0]), dtype=torch.float64, offset=8).tolist() == [2.0]
    for bad in ({"count": 5}, {"offset": 9}, {"offset": 1}, {"count": 0}):
        with pytest.raises(ValueError):
            reference.frombuffer(raw, dtype=reference.int16, **bad)
        with pytest.raises(ValueError):
            torch.frombuffer(raw, dtype=torch.int16, **bad)


def test_dlpack():
    a = np.arange(6.0).reshape(2, 3)
    t = torch.from_dlpack(a)
    t[0, 0] = 9
    assert a[0, 0] == 9
    back = np.from_dlpack(torch.arange(3))
    assert back.tolist() == [0, 1, 2]
    theirs = reference.from_dlpack(torch.ones(2, 2).t())
    assert theirs.tolist() == [[1, 1], [1, 1]]
    ours = torch.from_dlpack(reference.arange(4)[::2])
    assert ours.tolist() == [0, 2] and ours.stride() == (2,)
    capsule = torch.to_dlpack(torch.ones(1))
    torch.from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="consumed only once"):
        torch.from_dlpack(capsule)


def test_numpy_is_not_imported_for_nothing():
    import subprocess
    import sys

    code = "import sys, rushlight as t; t.tensor([1.0]) + 1; t.zeros(2)[0]; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: torch.tensor(), 'missing 1 required positional argument: "data"'),
        (lambda: torch.tensor(1, torch.float32), "takes 1 positional argument but 2 were given"),
        (lambda: torch.tensor(1, data=2), "multiple values for argument 'data'"),
        (lambda: torch.as_tensor(1, dtyp=torch.float32), "unexpected keyword argument 'dtyp'"),
        (lambda: torch.ones(1).new_tensor(1, 2), "takes 1 positional argument"),
        (lambda: torch.tensor(1, dtype="float32"), "'dtype' must be torch.dtype, not str"),
    ],
)
def test_arguments_that_constructors_refuse(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_arguments_that_constructors_take_by_name():
    assert torch.tensor(data=[1], dtype=torch.int8, requires_grad=False, pin_memory=False).dtype == torch.int8
    assert torch.as_tensor([1], torch.float64, "cpu").dtype == torch.float64
    assert torch.ones(1).new_tensor([2], requires_grad=1).requires_grad


@pytest.mark.parametrize("lib", [torch, reference], ids=["here", "PyTorch"])
def test_arrays_without_dimensions_are_sizes(lib):
    assert lib.ones((np.array(3), np.int64(4))).shape == lib.ones(np.array(3), 4).shape == (3, 4)
    assert lib.zeros(2, 6).reshape(np.array(3), -1).shape == (3, 4)
    assert lib.Storage(np.int16(3)).size() == 3
    with pytest.raises(TypeError):
        lib.ones((np.array(3.0), 4))
    with pytest.raises(TypeError):
        lib.ones((np.array([3]), 4))
