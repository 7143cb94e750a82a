"""Datasets, samplers and collate functions of our own and of torch.utils.data."""

import numpy as np
import torch
from torch.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
    get_worker_info,
    random_split,
)
from torch.utils.data.dataloader import default_collate

torch.manual_seed(0)


class Words(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return {"ids": torch.arange(i % 4 + 1), "label": i % 2, "name": f"w{i}"}


def collate(batch):
    lens = torch.tensor([len(b["ids"]) for b in batch])
    ids = torch.nn.utils.rnn.pad_sequence([b["ids"] for b in batch], batch_first=True, padding_value=-1)
    return ids, lens, torch.tensor([b["label"] for b in batch]), [b["name"] for b in batch]


for b in DataLoader(Words(7), batch_size=3, collate_fn=collate, shuffle=True):
    print(b)


class Buckets(Sampler):
    def __init__(self, ds):
        self.ds = ds

    def __iter__(self):
        return iter(sorted(range(len(self.ds)), key=lambda i: len(self.ds[i]["ids"])))

    def __len__(self):
        return len(self.ds)


for b in DataLoader(Words(6), batch_sampler=BatchSampler(Buckets(Words(6)), 2, False), collate_fn=collate):
    print(b[1])
w = WeightedRandomSampler([0.1, 0.9, 0.5], 10, replacement=True)
print(list(w))
print(list(RandomSampler(range(5))), list(SubsetRandomSampler([3, 4, 5])), list(SequentialSampler(range(3))))
print(default_collate([{"a": 1, "b": (2.0, "x")}, {"a": 3, "b": (4.0, "y")}]))
print(default_collate([np.ones(2), np.zeros(2)]), default_collate([1.5, 2.5]))


class It(IterableDataset):
    def __iter__(self):
        yield from range(5)


print([b for b in DataLoader(It(), batch_size=2)], [b for b in ChainDataset([It(), It()])])
print(
    len(ConcatDataset([Words(3), Words(4)])),
    ConcatDataset([Words(3), Words(4)])[5]["name"],
    Subset(Words(9), [8, 1])[0]["name"],
)
print(get_worker_info())
dl = DataLoader(Words(4), batch_size=None)
print([d["name"] for d in dl])
print([b.shape for b in DataLoader(torch.randn(5, 2), 2, drop_last=True)])
print(
    [len(x) for x in random_split(range(10), [3, 7])],
    [x for x in DataLoader(range(4), pin_memory=False)],
    StackDataset(range(3), range(3))[1],
)


def init_fn(i):
    pass


g = torch.Generator()
g.manual_seed(0)
print(list(DataLoader(range(6), 2, shuffle=True, worker_init_fn=init_fn, generator=g)))
try:
    DataLoader(range(3), shuffle=True, sampler=[1])
except ValueError as e:
    print(str(e).partition(". Hint")[0])
