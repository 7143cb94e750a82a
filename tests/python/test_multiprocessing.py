"""torch.multiprocessing: tensors that processes share. The workers are functions of this file, which they import."""

import os
import sys

import pytest
import rushlight.multiprocessing as mp

import rushlight as torch
from rushlight import nn

sys.path.insert(0, os.path.dirname(__file__))
METHODS = ["fork", "spawn"]


def add_one(index, tensor, parts):
    tensor += 1
    parts[index] = index + 10


def fill(model, tensor):
    with torch.no_grad():
        model.weight.fill_(3.0)
    tensor[0].fill_(7)


def answer(asked, answered):
    while (tensor := asked.get(timeout=60)) is not None:
        answered.put(((tensor * 2).detach(), tensor.requires_grad, type(tensor).__name__))
    asked.get(timeout=60)


def square(tensor):
    return tensor * tensor


def fail(index):
    if index == 1:
        raise ValueError("the second one")


def leave(index):
    os._exit(5)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_process_writes_the_others_see(method):
    tensor, parts = torch.zeros(3), torch.zeros(2).share_memory_()
    view = tensor[1:]
    assert not tensor.is_shared()
    tensor.share_memory_()
    assert tensor.is_shared() and view.is_shared() and view.data_ptr() == tensor.data_ptr() + 4
    mp.start_processes(add_one, (tensor, parts), nprocs=2, start_method=method)
    assert tensor.min() >= 1 and view.tolist() == tensor[1:].tolist() and parts.tolist() == [10.0, 11.0]


@pytest.mark.parametrize("method", METHODS)
def test_modules_and_views(method):
    model = nn.Linear(2, 2).share_memory()
    whole = torch.zeros(2, 3).t()
    process = mp.get_context(method).Process(target=fill, args=(model, whole))
    whole.share_memory_()
    process.start()
    process.join()
    assert process.exitcode == 0
    assert model.weight.tolist() == [[3.0, 3.0]] * 2 and whole.tolist() == [[7, 7], [0, 0], [0, 0]]


@pytest.mark.parametrize("method", METHODS)
def test_queues(method):
    context = mp.get_context(method)
    asked, answered = context.Queue(), context.Queue()
    process = context.Process(target=answer, args=(asked, answered))
    process.start()
    sent = [torch.arange(5.0), torch.ones(2, 3, dtype=torch.bfloat16).t(), nn.Parameter(torch.ones(2)), torch.zeros(0, 3),
            torch.tensor(4), torch.ones(2, device="meta")]  # fmt: skip
    for tensor in sent:
        asked.put(tensor)
    asked.put(None)
    got = [answered.get(timeout=60) for _ in sent]
    asked.put("done")
    process.join()
    for tensor, (twice, grad, kind) in zip(sent, got, strict=True):
        assert (grad, kind) == (tensor.requires_grad, type(tensor).__name__)
        assert twice.dtype == tensor.dtype and twice.shape == tensor.shape and twice.device == tensor.device
        assert tensor.is_meta or torch.equal(twice, tensor * 2)


def test_pool():
    with mp.get_context("fork").Pool(2) as pool:
        assert torch.stack(pool.map(square, [torch.tensor(float(i)) for i in range(5)])).tolist() == [0, 1, 4, 9, 16]


def test_failures():
    with pytest.raises(mp.ProcessRaisedException, match="(?s)Process 1 terminated.*ValueError: the second one"):
        mp.spawn(fail, nprocs=2)
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with exit code 5") as caught:
        mp.start_processes(leave, nprocs=1, start_method="fork")
    assert caught.value.exit_code == 5 and caught.value.error_index == 0
    with pytest.raises(RuntimeError, match="non-leaf"):
        mp.reductions.reduce_tensor(torch.ones(1, requires_grad=True) * 2)
    with pytest.raises(RuntimeError, match="at least 100 bytes"):
        torch.UntypedStorage._from_descriptor(os.memfd_create("short"), 100)


def test_memory_is_given_back():
    def shared_kb():
        with open("/proc/self/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss_Shmem"))

    before = shared_kb()
    for _ in range(20):
        torch.ones(1 << 20).share_memory_()
    assert shared_kb() <= before + 8192
    shared = torch.ones(2).share_memory_()
    with pytest.raises(RuntimeError, match="not resizable"):
        shared.untyped_storage().resize_(100)
    assert shared.tolist() == [1, 1] and shared.share_memory_() is shared


def test_storages_over_files(tmp_path):
    path = tmp_path / "numbers"
    path.write_bytes(bytes(range(8)))
    private = torch.UntypedStorage.from_file(str(path), False, 4)
    private[0] = 9
    assert private.tolist() == [9, 1, 2, 3] and path.read_bytes()[0] == 0 and not private.is_shared()
    shared = torch.UntypedStorage.from_file(path, shared=True, nbytes=12)
    shared[1] = 7
    assert shared.is_shared() and path.read_bytes() == bytes([0, 7, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0])
    with pytest.raises(RuntimeError, match="has 12 bytes, expected at least 100"):
        torch.UntypedStorage.from_file(str(path), nbytes=100)
    with pytest.raises(RuntimeError, match="unable to open file"):
        torch.UntypedStorage.from_file(str(tmp_path / "nothing"), nbytes=1)


def test_strategies():
    assert mp.get_sharing_strategy() in mp.get_all_sharing_strategies()
    mp.set_sharing_strategy("file_system")
    mp.set_sharing_strategy("file_descriptor")
    with pytest.raises(ValueError, match="expected one of"):
        mp.set_sharing_strategy("pigeons")
    assert mp.cpu_count() and mp.current_process()
