"""Who shares memory with whom, and what happens to it: arrays over tensors, lazy clones, storages as objects, fresh memory."""

import gc
import weakref

import numpy as np
import pytest
import torch as pytorch

import rushlight as torch


@pytest.fixture(params=["ours", "pytorch"])
def fw(request):
    return torch if request.param == "ours" else pytorch


def test_memory_that_an_array_sees_is_not_resized(fw):
    x = fw.arange(4.0)
    array = x.numpy()
    assert not x.untyped_storage().resizable()
    with pytest.raises(RuntimeError, match="resiz"):
        x.resize_(100000)
    x.resize_(2)
    x.fill_(7)
    assert array.tolist() == [7.0, 7.0, 2.0, 3.0]


def test_an_array_outlives_the_tensor_and_a_move_of_its_memory():
    x = torch.arange(4.0)
    array, capsule = x.numpy(), torch.to_dlpack(x)
    x.share_memory_()
    del x
    gc.collect()
    assert array.tolist() == [0.0, 1.0, 2.0, 3.0] and torch.from_dlpack(capsule).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_lazy_clones_share_memory_until_written(fw):
    x = fw.tensor([[0, 1], [2, 3]])
    y = x._lazy_clone()
    z = y._lazy_clone()
    cow, address = fw._C._is_cow_tensor, fw._C._data_address
    assert cow(x) and cow(y) and cow(z) and address(x) == address(y) == address(z)
    assert (x + y).tolist() == [[0, 2], [4, 6]] and cow(x)
    x.view(4)[1:].add_(1)
    assert not cow(x) and address(x) != address(y) and x.tolist() == [[0, 2], [3, 4]] and y.tolist() == [[0, 1], [2, 3]]
    z[0, 0] = 9
    before = address(y)
    y.mul_(2)
    assert not cow(y) and address(y) == before  # nobody else had it
    assert y.tolist() == [[0, 2], [4, 6]] and z.tolist() == [[9, 1], [2, 3]]


def test_lazy_clones_through_arrays_optimizers_and_gradients():
    x = torch.ones(2)
    y = x._lazy_clone()
    y.numpy()[0] = 5
    assert x.tolist() == [1.0, 1.0] and y.tolist() == [5.0, 1.0]
    w = torch.ones(2, requires_grad=True)
    w._lazy_clone().mul(3).sum().backward()
    assert w.grad.tolist() == [3.0, 3.0]
    kept = w.detach()._lazy_clone()
    torch.optim.SGD([w], lr=1.0).step()
    assert w.tolist() == [-2.0, -2.0] and kept.tolist() == [1.0, 1.0]
    u = kept._lazy_clone()
    kept.untyped_storage()[3] = 0
    assert u.tolist() == [1.0, 1.0] and kept.tolist() != u.tolist()


def test_a_storage_is_one_object_while_it_lives(fw):
    x = fw.zeros(3)
    s = x.untyped_storage()
    s.note = [1]
    assert x.untyped_storage() is s and x[1:].untyped_storage().note == [1]
    seen = []
    ref = weakref.ref(s, lambda r: seen.append(1))
    s.me = s  # a cycle
    del s, x
    gc.collect()
    assert ref() is None and seen == [1]


def test_storages_are_derived_from(fw):
    class Own(fw.UntypedStorage):
        __slots__ = ("more",)

    s = Own(3)
    s.more = 4
    assert isinstance(s, fw.UntypedStorage) and s.nbytes() == 3 and issubclass(fw.UntypedStorage, fw._C.StorageBase)
    with pytest.raises(RuntimeError, match="StorageBase"):
        fw._C.StorageBase()


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_tensors_over_storages(fw):
    s = fw.tensor([1.0, 2.0]).untyped_storage()
    x = fw.tensor(s, dtype=fw.float32)
    assert x.tolist() == [1.0, 2.0] and x.data_ptr() == s.data_ptr()
    typed = fw.FloatStorage([3, 4])
    assert fw.FloatTensor(typed).data_ptr() == typed.data_ptr() and fw.tensor(typed, dtype=fw.float32).tolist() == [
        3.0,
        4.0,
    ]
    assert fw.zeros(2).new(typed).tolist() == [3.0, 4.0] and fw.zeros(2).new(size=(2, 1)).shape == (2, 1)
    with pytest.raises(RuntimeError, match="Expected a Storage of type"):
        fw.tensor(typed, dtype=fw.int32)


def test_a_file_as_a_tensor(fw, tmp_path):
    np.arange(4, dtype=np.int16).tofile(tmp_path / "numbers")
    x = fw.from_file(str(tmp_path / "numbers"), shared=True, size=4, dtype=fw.int16)
    x[1] = 9
    assert np.fromfile(tmp_path / "numbers", dtype=np.int16).tolist() == [0, 9, 2, 3]
    assert fw.from_file(str(tmp_path / "numbers"), size=2, dtype=fw.int16).tolist() == [0, 9]
    with pytest.raises(RuntimeError):
        fw.from_file(str(tmp_path / "none"), size=2)


def test_fresh_memory_is_filled_where_a_program_asks(fw):
    fw.use_deterministic_algorithms(True)
    try:
        assert fw.utils.deterministic.fill_uninitialized_memory
        assert (
            fw.empty(3, dtype=fw.float16).isnan().all() and fw.empty_like(fw.zeros(2, dtype=fw.complex64)).isnan().all()
        )
        assert fw.empty_strided((2, 2), (1, 3), dtype=fw.int16).eq(2**15 - 1).all()
        assert fw.empty(2, dtype=fw.uint8).tolist() == [255, 255] and fw.empty(1, dtype=fw.bool).item()
        assert fw.ones(2).resize_(3)[:2].tolist() == [1.0, 1.0] and fw.ones(2).resize_(3)[2].isnan()
        fw.utils.deterministic.fill_uninitialized_memory = False
        assert not fw.utils.deterministic.fill_uninitialized_memory
    finally:
        fw.utils.deterministic.fill_uninitialized_memory = True
        fw.use_deterministic_algorithms(False)
    with pytest.raises(RuntimeError, match="expected a bool"):
        fw.utils.deterministic.fill_uninitialized_memory = 1


def test_swapped_tensors_change_places(fw):
    class Own(fw.Tensor):
        pass

    a, b = fw.zeros(2, requires_grad=True), fw.ones(3, dtype=fw.float64).as_subclass(Own)
    b.name_of_mine = "b"
    held = [a, b]
    fw.utils.swap_tensors(a, b)
    assert (
        held[0] is a and type(a) is Own and a.name_of_mine == "b" and a.tolist() == [1.0] * 3 and a.dtype is fw.float64
    )
    assert type(b) is fw.Tensor and b.requires_grad and not hasattr(b, "name_of_mine")
    b.sum().backward()
    assert b.grad.tolist() == [1.0, 1.0] and a.grad is None
    ref = weakref.ref(a)
    with pytest.raises(RuntimeError, match="weakref"):
        fw.utils.swap_tensors(a, b)
    del ref

    class Slotted(fw.Tensor):
        __slots__ = ("more",)

    with pytest.raises(RuntimeError, match="slots"):
        fw.utils.swap_tensors(b, fw.zeros(1).as_subclass(Slotted))
