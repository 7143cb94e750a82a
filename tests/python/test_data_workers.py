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
