"""DataLoader on PyTorch and on rushlight in turns: the first batch, batches a second, memory with 16 workers.

    ./dev python benchmarks/loader.py [--gigabytes 1]

Times are medians of the rounds; a ratio is PyTorch's over rushlight's, so more than one is faster than PyTorch.
"""

import argparse
import gc
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

CASES = ["first", "small", "large", "memory-tensor", "memory-tensors", "memory-list"]


def dataset(torch, item, n):
    class Items(torch.utils.data.Dataset):
        def __len__(self):
            return n

        def __getitem__(self, i):
            return item(i)

    return Items()


def small(torch, n=4096):
    return dataset(torch, lambda i: (torch.full((3,), float(i)), i), n)


def large(torch, n=1024):
    picture = torch.ones(3, 64, 64)
    return dataset(torch, lambda i: (picture, i), n)


def first(torch):
    """Seconds until the first batch of four forked workers is there."""
    start = time.perf_counter()
    batches = iter(torch.utils.data.DataLoader(small(torch), batch_size=32, num_workers=4))
    next(batches)
    return time.perf_counter() - start


def batches(torch, data):
    """Seconds a batch of two workers, once they run."""
    iterator = iter(torch.utils.data.DataLoader(data, batch_size=32, num_workers=2))
    next(iterator)
    start = time.perf_counter()
    count = sum(1 for _ in iterator)
    return (time.perf_counter() - start) / count


def memory_of_all():
    """Bytes of this process and its children, with shared pages counted once."""
    children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    total = 0
    for pid in ["self", *children]:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def memory(torch, kind, gigabytes):
    """(bytes with 16 workers) / (bytes with none), in the middle of a pass."""
    n = int(gigabytes * 1e9) // 10_000
    if kind == "tensor":
        rows = torch.ones(n, 2500)
        data = dataset(torch, lambda i: rows[i], n)
    elif kind == "tensors":
        many = [torch.ones(2500) for _ in range(n)]
        data = dataset(torch, lambda i: many[i], n)
    else:
        listed = [bytes(10_000) for _ in range(n)]
        data = dataset(torch, lambda i: len(listed[i]), n)
    used = []
    for workers in (0, 16):
        gc.collect()
        loader = torch.utils.data.DataLoader(data, batch_size=64, shuffle=True, num_workers=workers)
        for k, _ in enumerate(loader):
            if k == len(loader) * 3 // 4:
                used.append(memory_of_all())
                break
    return used[1] / used[0]


def worker(module, case, gigabytes):
    warnings.simplefilter("ignore")
    torch = importlib.import_module(module)
    importlib.import_module(module + ".utils.data")
    if case == "first":
        found = [first(torch) for _ in range(6)][1:]  # the first imports
    elif case in ("small", "large"):
        found = [batches(torch, (small if case == "small" else large)(torch)) for _ in range(3)]
    else:
        found = [memory(torch, case.removeprefix("memory-"), gigabytes)]
    print(json.dumps(found))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=2)
    options = parser.parse_args()
    if options.worker:
        worker(*options.worker, options.gigabytes)
        return
    for case in CASES:
        found = {"torch": [], "rushlight": []}
        for _ in range(1 if case.startswith("memory") else options.rounds):
            for module, values in found.items():
                command = [sys.executable, __file__, "--worker", module, case, "--gigabytes", str(options.gigabytes)]
                values += json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        theirs, ours = (statistics.median(found[module]) for module in ("torch", "rushlight"))
        if case.startswith("memory"):
            print(f"{case:14} 16 workers over none: rushlight {ours:.2f}, PyTorch {theirs:.2f}")
        else:
            print(
                f"{case:14} rushlight {ours * 1e3:8.2f} ms   PyTorch {theirs * 1e3:8.2f} ms   ratio {theirs / ours:.2f}"
            )


main()
