"""DataLoader with workers gives PyTorch's batches, in PyTorch's order, with PyTorch's random numbers."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from nn_support import assert_bit_equal

import rushlight as rl

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Drawn:
    """Samples with random numbers of all three generators."""

    def __init__(self, fw):
        self.fw = fw

    def __len__(self):
        return 20

    def __getitem__(self, i):
        return i, self.fw.rand(2), random.random(), np.random.rand()


class DrawnItems:
    """The same as an iterable dataset, in shares of different length."""

    def __init__(self, fw):
        self.fw = fw

    def __iter__(self):
        info = self.fw.utils.data.get_worker_info()
        first, step, extra = (0, 1, 0) if info is None else (info.id, info.num_workers, info.id)
        for i in range(first, 12 + 4 * extra, step):
            yield i, self.fw.rand(2), random.random(), np.random.rand()


def iterable(fw):
    return type("Items", (DrawnItems, fw.utils.data.IterableDataset), {})(fw)


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a, b, strict=True):
            assert_bit_equal(x, y)


@pytest.mark.parametrize(
    "options",
    [
        dict(batch_size=3, shuffle=True),
        dict(batch_size=4, drop_last=True),
        dict(batch_size=3, sampler="replacement", prefetch_factor=3),
        dict(batch_size=2, shuffle=True, persistent_workers=True),
    ],
    ids=str,
)
def test_order_and_random_numbers_are_pytorchs(options):
    def passes(fw):
        fw.manual_seed(3)
        random.seed(3)
        data, own = Drawn(fw), dict(options)
        if "sampler" in own:
            own["sampler"] = fw.utils.data.RandomSampler(data, replacement=True, num_samples=40)
        loader = fw.utils.data.DataLoader(data, num_workers=2, **own)
        return list(loader) + list(loader), fw.rand(3)

    ours, theirs = passes(rl), passes(torch)
    same(ours[0], theirs[0])
    assert_bit_equal(ours[1], theirs[1])


@pytest.mark.parametrize("persistent", [False, True])
def test_iterable_datasets_take_turns_as_pytorchs(persistent):
    def passes(fw):
        fw.manual_seed(4)
        loader = fw.utils.data.DataLoader(iterable(fw), batch_size=2, num_workers=3, persistent_workers=persistent)
        return list(loader) + list(loader)

    same(passes(rl), passes(torch))


class InThePlaceOfALoader:
    """As fastai hands one to a pass: with what PyTorch's passes read of a loader, and nothing else."""

    _IterableDataset_len_called, _auto_collation, drop_last, in_order = None, False, False, True
    generator, prefetch_factor, worker_init_fn, multiprocessing_context = None, 2, None, None
    pin_memory, pin_memory_device, timeout, persistent_workers = False, "", 0, False
    _dataset_kind = rl.utils.data._DatasetKind.Iterable

    def __init__(self, num_workers):
        self.dataset, self.num_workers = self, num_workers
        self._index_sampler = iter(range(1000))

    def __iter__(self):
        return iter([rl.full((2,), float(i)) for i in range(5)])

    @staticmethod
    def collate_fn(batch):
        return batch


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pass_over_what_is_no_loader(workers):
    from rushlight.utils.data.dataloader import _MultiProcessingDataLoaderIter, _SingleProcessDataLoaderIter

    kind = _MultiProcessingDataLoaderIter if workers else _SingleProcessDataLoaderIter
    assert [batch.tolist() for batch in kind(InThePlaceOfALoader(workers))] == [[float(i)] * 2 for i in range(5)]


def test_numpy_is_seeded_also_where_a_worker_imports_it_first():
    program = """
import rushlight as torch, sys
class D(torch.utils.data.Dataset):
    def __len__(self): return 2
    def __getitem__(self, i):
        import numpy
        return float(numpy.random.rand())
torch.manual_seed(1)
assert "numpy" not in sys.modules
print(*[b.item() for b in torch.utils.data.DataLoader(D(), num_workers=2)])
"""
    out = run(program).split()
    torch.manual_seed(1)
    assert [float(x) for x in out] == [b.item() for b in torch.utils.data.DataLoader(Rand(), num_workers=2)]


class Rand:
    def __len__(self):
        return 2

    def __getitem__(self, i):
        return float(np.random.rand())


def run(program, **options):
    path = os.pathsep.join(p for p in sys.path if p)
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": path}, **options,
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    return out.stdout


class Written(rl.utils.data.Dataset):
    """Tensors of 8 KiB each, and how much memory of its own the worker has."""

    def __init__(self):
        self.tensors = [rl.full((2048,), float(i)) for i in range(3000)]

    def __len__(self):
        return len(self.tensors)

    def __getitem__(self, i):
        private = 0
        if i % 50 == 49:
            with open("/proc/self/smaps_rollup") as lines:
                private = sum(int(line.split()[1]) for line in lines if line.startswith("Private"))
        return self.tensors[i], private


def test_a_worker_copies_few_of_the_pages_that_it_shares():
    """The header of each tensor lies between those of the data; to touch it would copy the pages around."""
    seen = []
    for batch, private in rl.utils.data.DataLoader(Written(), batch_size=50, num_workers=1):
        assert batch[0, 0] + 49 == batch[-1, -1]
        seen.append(private[-1].item())
    assert seen[-1] - seen[4] < 6000, seen  # KiB; 23000 before, of 24000


SAMPLES = {
    "plain": lambda: [rl.full((2, 3), float(i)) for i in range(4)],
    "numbers": lambda: [rl.tensor(i) for i in range(4)],
    "views": lambda: list(rl.arange(12.0).view(4, 3)),
    "columns": lambda: list(rl.arange(12.0).view(3, 4).T),
    "not contiguous": lambda: [rl.arange(6).view(2, 3).T + 0 * i for i in range(4)],
    "mixed types": lambda: [rl.ones(2), rl.ones(2, dtype=rl.int64), rl.ones(2), rl.ones(2)],
    "complex": lambda: [rl.ones(2, dtype=rl.complex64).conj() * 1j] * 4,
    "conjugate": lambda: [(rl.ones(2, dtype=rl.complex64) * 1j).conj()] * 4,
    "bool": lambda: [rl.tensor([True, False])] * 4,
    "half": lambda: [rl.ones(3, dtype=rl.bfloat16)] * 4,
    "empty": lambda: [rl.zeros(0, 3)] * 4,
    "parameters": lambda: [rl.nn.Parameter(rl.ones(2)) for _ in range(4)],
    "sparse": lambda: [rl.eye(2).to_sparse()] * 4,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_worker_stacks_as_stack_does(name):
    samples = SAMPLES[name]()
    wanted = rl.stack(samples)
    (got,) = rl.utils.data.DataLoader(samples, batch_size=4, num_workers=1, worker_method="thread")
    assert got.dtype == wanted.dtype and got.shape == wanted.shape and got.layout == wanted.layout
    assert got.requires_grad == wanted.requires_grad
    assert rl.equal(got.to_dense().resolve_conj(), wanted.to_dense().resolve_conj())


def test_samples_that_do_not_fit_are_stacks_error():
    samples = [rl.ones(2), rl.ones(3)]
    with pytest.raises(RuntimeError, match="equal size"):
        list(rl.utils.data.DataLoader(samples, batch_size=2, num_workers=1))
