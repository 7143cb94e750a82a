"""Storages of one dtype: torch.FloatStorage and its kin, TypedStorage, and set_ with them."""

import copy
import os
import pickle

import pytest
import torch as pytorch

import rushlight as torch


@pytest.fixture(params=["ours", "pytorch"])
def fw(request):
    """What holds here holds in PyTorch."""
    return torch if request.param == "ours" else pytorch


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_made_read_and_written(fw):
    s = fw.FloatStorage([1, 2, 3])
    assert s.tolist() == [1.0, 2.0, 3.0] and len(s) == s.size() == 3 and s.nbytes() == 12
    s[1] = 5
    s[-1] = 7
    assert (s[1], s[2]) == (5.0, 7.0)
    s[0:2] = 9
    assert list(s) == [9.0, 9.0, 7.0]
    assert s.fill_(2).tolist() == [2.0] * 3
    assert s.copy_(fw.FloatStorage([1, 2, 3])) is s and s.tolist() == [1.0, 2.0, 3.0]
    assert s.clone().tolist() == s.tolist() and s.clone().data_ptr() != s.data_ptr()
    assert s.long().dtype is fw.int64 and s.double().dtype is fw.float64
    assert s.type() == "torch.FloatStorage" and s.type() == torch.FloatStorage([1]).type()
    assert fw.FloatStorage().size() == 0 and fw.HalfStorage(4).element_size() == 2
    assert fw.TypedStorage(2, dtype=fw.int8).dtype is fw.int8
    assert fw.BoolStorage([True, False]).tolist() == [True, False]
    s.resize_(2)
    assert s.tolist() == [1.0, 2.0] and s.resizable()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_classes_tell_dtypes(fw):
    s = fw.tensor([1.0]).storage()
    assert isinstance(s, fw.FloatStorage) and isinstance(s, fw.TypedStorage)
    assert not isinstance(s, fw.DoubleStorage) and not isinstance(s.untyped(), fw.FloatStorage)
    assert fw.LongStorage.dtype is fw.int64 and fw.storage._dtype_to_storage_type_map()[fw.int64] == "LongStorage"
    assert type(fw.FloatStorage(wrap_storage=s.untyped())).__name__ in ("TypedStorage", "FloatStorage")


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda fw: fw.FloatStorage([1, 2])[0:1], RuntimeError),
        (lambda fw: fw.FloatStorage([1, 2])[2], IndexError),
        (lambda fw: fw.FloatStorage("a"), TypeError),
        (lambda fw: fw.FloatStorage(fw.ones(2)), TypeError),
        (lambda fw: fw.TypedStorage(1, 2), RuntimeError),
        (lambda fw: fw.FloatStorage(-1), RuntimeError),
        (lambda fw: fw.FloatStorage(3, dtype=fw.int32), RuntimeError),
        (lambda fw: fw.TypedStorage(wrap_storage=3, dtype=fw.int32), TypeError),
        (lambda fw: fw.FloatStorage(2).copy_(fw.FloatStorage(3)), RuntimeError),
        (lambda fw: fw.ones(2).set_(fw.IntStorage(2)), RuntimeError),
        (lambda fw: fw.ones(2).set_(3), TypeError),
    ],
)
def test_mistakes(fw, make, error):
    with pytest.raises(error):
        make(fw)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_copies_share_what_the_originals_shared(fw):
    x = fw.arange(4.0)
    copied = copy.deepcopy([x, x.storage()])
    copied[0].add_(1)
    assert copied[1].tolist() == [1.0, 2.0, 3.0, 4.0] and x.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert pickle.loads(pickle.dumps(x.storage())).tolist() == x.tolist()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_set_takes_storages_and_geometry(fw):
    s = fw.arange(10.0).storage()
    assert fw.tensor([]).set_(s).tolist() == list(range(10))
    x = fw.zeros(1).set_(s.untyped(), 2, (2, 2), (3, 1))
    assert x.tolist() == [[2.0, 3.0], [5.0, 6.0]] and x.storage_offset() == 2
    x.fill_(0)
    assert s[5] == 0.0
    assert fw.zeros(1).set_(fw.arange(6.0), 1, (3,), (2,)).tolist() == [1.0, 3.0, 5.0]
    assert fw.zeros(1).set_(s, 0, (2, 3)).stride() == (3, 1)
    assert fw.ones(3).set_().shape == (0,)
    grows = fw.arange(2.0).untyped_storage()
    assert fw.zeros(1).set_(grows, 1, (2, 3)).shape == (2, 3) and grows.nbytes() == 28
    for geometry in ((-1, (2,)), (0, (2, 2), (1,)), (0, (2, 2), (-1, 1))):
        with pytest.raises(RuntimeError):
            fw.zeros(1).set_(grows, *geometry)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_bytes(fw):
    u = fw.tensor([1, 2], dtype=fw.int16).untyped_storage()
    u.byteswap(fw.int16)
    assert fw.tensor([], dtype=fw.int16).set_(u).tolist() == [256, 512]
    assert u.fill_(1) is u and list(u) == [1] * 4
    u.copy_(fw.tensor([7, 8], dtype=fw.int16).untyped_storage())
    assert fw.tensor([], dtype=fw.int16).set_(u).tolist() == [7, 8]
    with pytest.raises(RuntimeError, match="size does not match"):
        u.copy_(fw.ones(1, dtype=fw.int16).untyped_storage())


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_meta_storages_have_sizes_and_no_values(fw):
    s = fw.FloatStorage(3) if fw is torch else fw.TypedStorage(3, dtype=fw.float32)
    assert s.size() == 3
    m = fw.TypedStorage([1, 2, 3], device="meta", dtype=fw.float32)
    assert m.size() == 3 and m.device.type == "meta"
    for read in (lambda: m[0], lambda: m.tolist(), lambda: m.cpu()):
        with pytest.raises(NotImplementedError):
            read()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_a_file_is_mapped(fw, tmp_path):
    fw.arange(4.0).numpy().tofile(tmp_path / "numbers")
    s = fw.FloatStorage.from_file(str(tmp_path / "numbers"), shared=True, size=4)
    assert s.tolist() == [0.0, 1.0, 2.0, 3.0]
    s[2] = 7
    del s
    assert fw.FloatStorage.from_file(str(tmp_path / "numbers"), False, 4)[2] == 7.0


def test_untyped_storages_are_copied(fw):
    u = fw.arange(3, dtype=fw.uint8).untyped_storage()
    for copied in (copy.copy(u), copy.deepcopy(u)):
        copied.fill_(9)
        assert list(u) == [0, 1, 2] and list(copied) == [9, 9, 9]


def test_buffers():
    data = bytes([0, 1, 0, 2])
    assert torch.ShortStorage.from_buffer(data, "big").tolist() == [1, 2]
    assert torch.ShortStorage.from_buffer(data, "little").tolist() == [256, 512]
    with pytest.raises(RuntimeError, match="torch.FloatStorage"):
        torch.TypedStorage.from_buffer(data)


def test_conversions_by_name():
    s = torch.FloatStorage([1, 2])
    assert s.type("torch.DoubleStorage").dtype is torch.float64 and s.type(torch.int8).tolist() == [1, 2]
    assert s.float() is s and s.type("torch.FloatStorage") is s
    with pytest.raises(ValueError, match="torch.FloatStorage"):
        s.type("torch.NoStorage")


def test_shared_by_descriptor():
    storage = torch.FloatStorage([1, 2])
    descriptor, n = storage._share_fd_cpu_()
    assert n == 2 and os.fstat(descriptor).st_size == 8 and storage.is_shared()
    os.close(descriptor)
    with pytest.raises(RuntimeError, match="only available on CPU"):
        torch.TypedStorage(2, dtype=torch.float32, device="meta").share_memory_()


def test_quantised_storages_hold_whole_numbers():
    storage = torch.QInt8Storage([1, 2, 3])
    storage[1:] = -5
    assert storage.tolist() == [1, -5, -5] and storage[0] == 1


def test_an_untyped_storage_of_a_buffer():
    for data, order, dtype in (
        (b"\x01\x02", "native", "uint8"),
        (b"\x01\x02\x03\x04", "big", "int16"),
        (b"", "native", "uint8"),
    ):
        ours, theirs = (
            list(fw.UntypedStorage.from_buffer(bytearray(data), byte_order=order, dtype=getattr(fw, dtype)))
            for fw in (torch, pytorch)
        )
        assert ours == theirs
