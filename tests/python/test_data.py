"""Datasets, samplers and loaders against PyTorch's: the same batches in the same order for the same seed."""

import collections

import numpy as np
import pytest
import torch
from nn_support import assert_bit_equal, from_torch, message

import rushlight as rl


def rows(fw, n=23):
    torch.manual_seed(5)
    x, y = torch.randn(n, 3), torch.arange(n)
    return (x, y) if fw is torch else from_torch((x, y))


class Plain:
    """A dataset that is no TensorDataset, of samples of several types."""

    def __init__(self, fw, n=11):
        self.fw, self.n = fw, n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return {
            "x": self.fw.tensor([float(i), 1.0]),
            "pair": (i, [i * 0.5, str(i)]),
            "array": np.array([i, i + 1]),
            "scalar": np.float32(i),
        }


def assert_batches_equal(ours, theirs):
    if isinstance(theirs, torch.Tensor):
        assert_bit_equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs) and type(ours) is type(theirs)
        for key in theirs:
            assert_batches_equal(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs) and type(ours) is type(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_batches_equal(a, b)
    else:
        assert ours == theirs


LOADERS = {
    "in order": lambda fw, d, data: d.DataLoader(data, batch_size=4),
    "one by one": lambda fw, d, data: d.DataLoader(data),
    "shuffled": lambda fw, d, data: d.DataLoader(data, batch_size=4, shuffle=True),
    "drop last": lambda fw, d, data: d.DataLoader(data, batch_size=4, shuffle=True, drop_last=True),
    "in order, drop last": lambda fw, d, data: d.DataLoader(data, batch_size=4, drop_last=True),
    "own generator": lambda fw, d, data: d.DataLoader(
        data, batch_size=4, shuffle=True, generator=fw.Generator().manual_seed(7)
    ),
    "no batches": lambda fw, d, data: d.DataLoader(data, batch_size=None, shuffle=True),
    "replacement": lambda fw, d, data: d.DataLoader(
        data, batch_size=4, sampler=d.RandomSampler(data, replacement=True, num_samples=40)
    ),
    "more than all": lambda fw, d, data: d.DataLoader(
        data, batch_size=4, sampler=d.RandomSampler(data, num_samples=50)
    ),
    "weighted": lambda fw, d, data: d.DataLoader(
        data, batch_size=4, sampler=d.WeightedRandomSampler([0.1 * (i + 1) for i in range(len(data))], 9)
    ),
    "subset sampler": lambda fw, d, data: d.DataLoader(data, batch_size=2, sampler=d.SubsetRandomSampler([1, 5, 7, 2])),
    "batch sampler": lambda fw, d, data: d.DataLoader(data, batch_sampler=[[0, 1], [4, 2, 3], [5]]),
    "collate": lambda fw, d, data: d.DataLoader(data, batch_size=3, collate_fn=len),
    "subset": lambda fw, d, data: d.DataLoader(d.Subset(data, [5, 3, 9, 1, 0]), batch_size=2, shuffle=True),
    "subset of subset": lambda fw, d, data: d.DataLoader(
        d.Subset(d.Subset(data, [5, 3, 9, 1]), [2, 0, 1]), batch_size=2
    ),
    "split": lambda fw, d, data: d.DataLoader(d.random_split(data, [0.6, 0.4])[0], batch_size=3, shuffle=True),
    "concat": lambda fw, d, data: d.DataLoader(d.ConcatDataset([data, data]), batch_size=5, shuffle=True),
}


@pytest.mark.parametrize("kind", ["tensors", "plain"])
@pytest.mark.parametrize("name", LOADERS)
def test_same_batches_for_the_same_seed(name, kind):
    def passes(fw):
        d = fw.utils.data
        data = d.TensorDataset(*rows(fw)) if kind == "tensors" else Plain(fw)
        fw.manual_seed(0)
        loader = LOADERS[name](fw, d, data)
        batches = [list(loader), list(loader)]
        return batches, len(loader), fw.rand(3)  # what is drawn afterwards must be the same too

    ours, theirs = passes(rl), passes(torch)
    assert ours[1] == theirs[1]
    for a, b in zip(ours[0], theirs[0], strict=True):
        assert_batches_equal(a, b)
    assert_bit_equal(ours[2], theirs[2])


def test_batches_are_copies():
    data = rl.utils.data.TensorDataset(rl.zeros(4, 2))
    for shuffle in (False, True):
        (batch,) = next(iter(rl.utils.data.DataLoader(data, batch_size=4, shuffle=shuffle)))
        batch.add_(1)
    assert data.tensors[0].sum().item() == 0


class Count:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))

    def __len__(self):
        return self.n


def test_iterable_datasets():
    def batches(fw):
        d = fw.utils.data
        kind = type("Stream", (Count, d.IterableDataset), {})
        loader = d.DataLoader(kind(7), batch_size=3)
        chained = d.DataLoader(d.ChainDataset([kind(3), kind(2)]), batch_size=2, drop_last=True)
        return (
            [b.tolist() for b in loader],
            len(loader),
            [b.tolist() for b in chained],
            [int(x) for x in d.DataLoader(kind(3), batch_size=None)],
        )

    assert batches(rl) == batches(torch)


def test_distributed_sampler():
    def orders(fw):
        d = fw.utils.data
        found = []
        for rank in range(3):
            for kwargs in ({}, {"shuffle": False}, {"drop_last": True, "seed": 3}):
                sampler = d.DistributedSampler(range(10), num_replicas=3, rank=rank, **kwargs)
                sampler.set_epoch(2)
                found.append((list(sampler), len(sampler)))
        return found

    assert orders(rl) == orders(torch)


def test_default_collate():
    Point = collections.namedtuple("Point", "x y")
    for fw in (rl, torch):
        collate = fw.utils.data.default_collate
        point = collate([Point(1, 2.0), Point(3, 4.0)])
        assert type(point) is Point and point.x.tolist() == [1, 3] and point.y.dtype == fw.float64
        assert collate([True, False]).dtype == fw.bool
        nested = collate([{"a": [1, 2]}, {"a": [3, 4]}])
        assert [t.tolist() for t in nested["a"]] == [[1, 3], [2, 4]]
        default = collections.defaultdict(int, a=1)
        assert type(collate([default, default])) is collections.defaultdict
        assert collate(["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize(
    "call",
    [
        lambda d, fw: d.default_collate([object()]),
        lambda d, fw: d.default_collate([np.array(["a"])]),
        lambda d, fw: d.default_collate([[1, 2], [1]]),
        lambda d, fw: d.TensorDataset(fw.zeros(3), fw.zeros(2)),
        lambda d, fw: d.DataLoader([1], batch_size=0),
        lambda d, fw: d.DataLoader([1], batch_size=None, drop_last=True),
        lambda d, fw: d.DataLoader([1], shuffle=True, sampler=[0]),
        lambda d, fw: d.DataLoader([1], batch_size=2, batch_sampler=[[0]]),
        lambda d, fw: d.DataLoader([1], num_workers=-1),
        lambda d, fw: d.DataLoader([1], timeout=-1),
        lambda d, fw: d.DataLoader([1], prefetch_factor=2),
        lambda d, fw: d.DataLoader([1], persistent_workers=True),
        lambda d, fw: d.DataLoader([], shuffle=True),
        lambda d, fw: setattr(d.DataLoader([1]), "batch_size", 3),
        lambda d, fw: d.random_split([1, 2, 3], [1, 1]),
        lambda d, fw: d.random_split([1, 2, 3], [1.5, -0.5]),
        lambda d, fw: d.RandomSampler([1], replacement=1),
        lambda d, fw: d.WeightedRandomSampler([[0.5]], 1),
        lambda d, fw: d.ConcatDataset([]),
        lambda d, fw: d.DistributedSampler([1], 2, 2),
    ],
)
def test_errors_read_as_pytorchs(call):
    assert message(call, rl.utils.data, rl) == message(call, torch.utils.data, torch)
