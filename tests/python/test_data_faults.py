"""DataLoader with workers: errors instead of hangs, nothing left behind, and passes that go on where they were left.

Nothing here imports PyTorch: the processes that are spawned import this file.
"""

import contextlib
import ctypes
import gc
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from rushlight.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

import rushlight as rl

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Numbers(Dataset):
    def __init__(self, n=20):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i


class Drawn(Numbers):
    """Samples with random numbers of all three generators."""

    def __getitem__(self, i):
        return i, rl.rand(2), random.random(), np.random.rand()


class DrawnItems(IterableDataset):
    """The same as an iterable dataset, in shares of different length."""

    def __iter__(self):
        info = get_worker_info()
        first, step, extra = (0, 1, 0) if info is None else (info.id, info.num_workers, info.id)
        for i in range(first, 12 + 4 * extra, step):
            yield i, rl.rand(2), random.random(), np.random.rand()


def equal(a, b):
    """Of tensors, numbers, text and nests of them, to the bit."""
    if isinstance(a, rl.Tensor):
        return a.dtype == b.dtype and rl.equal(a, b)
    return type(a) is type(b) and (all(map(equal, a, b)) and len(a) == len(b) if isinstance(a, list) else a == b)


def same(ours, wanted):
    assert len(ours) == len(wanted) and all(map(equal, ours, wanted)), f"{ours}\n{wanted}"


class Worker(Numbers):
    def __getitem__(self, i):
        info = get_worker_info()
        return {"i": i, "t": rl.full((3,), float(i)), "who": info.id, "of": info.num_workers, "text": str(i)}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "thread"])
def test_every_way_to_start_workers(method):
    how = dict(worker_method="thread") if method == "thread" else dict(multiprocessing_context=method)
    loader = DataLoader(Worker(), batch_size=3, num_workers=2, **how)
    batches = list(loader)
    assert [i for b in batches for i in b["i"].tolist()] == list(range(20))
    assert [b["who"].tolist() for b in batches][:3] == [[0] * 3, [1] * 3, [0] * 3]
    assert batches[0]["of"].tolist() == [2] * 3 and batches[1]["text"] == ["3", "4", "5"]
    assert batches[-1]["t"].tolist() == [[18.0] * 3, [19.0] * 3]
    assert get_worker_info() is None


def failing(what):
    """A dataset whose sample 9 does something bad."""

    class Failing(Numbers):
        def __getitem__(self, i):
            return what() if i == 9 else i

    return Failing()


def bad_value():
    raise ValueError("no such picture")


ERRORS = {
    "raises": (bad_value, ValueError, ["worker process 0", "no such picture", "in bad_value", "sample 9"]),
    "key": (lambda: {}["absent"], KeyError, ["worker process 0.\nOriginal Traceback", "absent", "sample 9"]),
    "ragged": (lambda: [1], ValueError, ["worker process 0", "[8, 9, 10, 11]"]),
    "unpicklable": (lambda: lambda: 0, Exception, ["worker process 0", "[8, 9, 10, 11]", "pickle"]),
    "exits": (lambda: sys.exit(3), RuntimeError, ["worker 0", "reading sample 9", "exit code 3", "Traceback"]),
    "ends": (lambda: os._exit(4), RuntimeError, ["worker 0", "reading sample 9", "exit code 4"]),
    "killed": (
        lambda: os.kill(os.getpid(), 9),
        RuntimeError,
        ["worker 0", "reading sample 9", "is killed by signal: Killed"],
    ),
    "crashes": (
        lambda: ctypes.string_at(0),
        RuntimeError,
        ["worker 0", "reading sample 9", "is killed by signal: Segmentation fault", "string_at"],
    ),
    "hangs": (lambda: time.sleep(1000), RuntimeError, ["timed out", "worker 0", "reading sample 9", "in <lambda>"]),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_goes_wrong_in_a_worker_is_an_error_here(name):
    what, kind, words = ERRORS[name]
    collate = (lambda samples: samples) if name == "unpicklable" else None
    loader = DataLoader(
        failing(what), batch_size=4, num_workers=2, timeout=1 if name == "hangs" else 0, collate_fn=collate
    )
    batches = iter(loader)
    processes = batches._workers
    assert len(next(batches)) == 4
    with pytest.raises(kind) as error:
        list(batches)
    text = str(error.value)
    assert all(word in text for word in words), text
    del batches, error
    gc.collect()
    assert not any(p.is_alive() for p in processes)


def test_an_error_of_one_batch_leaves_the_others():
    batches = iter(DataLoader(failing(bad_value), batch_size=4, num_workers=2))
    got = [next(batches).tolist() for _ in range(2)]
    with pytest.raises(ValueError, match="sample 9"):
        next(batches)
    got += [b.tolist() for b in batches]
    assert got == [[0, 1, 2, 3], [4, 5, 6, 7], [12, 13, 14, 15], [16, 17, 18, 19]]


def test_errors_of_the_start_are_the_first_batchs():
    def init(worker):
        raise OSError(f"no database for worker {worker}")

    with pytest.raises(OSError, match="(?s)worker process 0.*no database for worker 0"):
        next(iter(DataLoader(Numbers(), num_workers=1, worker_init_fn=init)))


class Unreadable(Numbers):
    def __setstate__(self, state):
        raise ValueError("made by another version")


def test_a_dataset_that_a_spawned_worker_cannot_read_names_its_traceback():
    with pytest.raises(ValueError, match="(?s)worker process 0.*__setstate__.*made by another version"):
        next(iter(DataLoader(Unreadable(), num_workers=1, multiprocessing_context="spawn")))


def test_a_dataset_that_cannot_be_sent_leaves_no_worker():
    data = Numbers()
    data.lock = threading.Lock()
    before = left_over()
    with pytest.raises(TypeError, match="pickle"):
        iter(DataLoader(data, num_workers=2, multiprocessing_context="spawn"))
    assert left_over() == before


def left_over():
    """What a loader could leave behind: descriptors, threads, processes, files in /dev/shm."""
    gc.collect()
    children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    names = [pathlib.Path(f"/proc/{c}/cmdline").read_text() for c in children]
    children = [
        c for c, name in zip(children, names, strict=True) if "forkserver" not in name and "tracker" not in name
    ]
    # Other programs on the machine come and go there too; ours would bear our name or the process's number.
    shm = os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else []
    shm = sum("rushlight" in name or str(os.getpid()) in name for name in shm)
    return len(os.listdir("/proc/self/fd")), threading.active_count(), len(children), shm


class Large(Numbers):
    def __getitem__(self, i):
        return rl.full((40_000,), float(i)), np.full(50_000, i), "x" * 200_000


@pytest.mark.parametrize(
    ("method", "how"),
    [*((m, h) for m in ("fork", "thread") for h in ("whole", "left", "error", "persistent")), ("spawn", "left")],
)
def test_nothing_is_left_of_a_dropped_loader(method, how):
    options = dict(worker_method="thread") if method == "thread" else dict(multiprocessing_context=method)

    def use():
        data = failing(bad_value) if how == "error" else Large(8)
        loader = DataLoader(data, batch_size=2, num_workers=2, persistent_workers=how == "persistent", **options)
        for k, _ in enumerate(loader):
            if how == "left" and k == 1:
                break

    if method == "spawn":
        use_once = DataLoader(
            Numbers(2), num_workers=1, multiprocessing_context="spawn"
        )  # starts a tracker, which stays
        assert len(list(use_once)) == 2
    before = left_over()
    with contextlib.suppress(ValueError):
        use()
    assert left_over() == before


def alive(pids):
    """Those of the processes that run: not ended, nor waiting for their parent to ask how."""
    states = []
    for pid in pids:
        with contextlib.suppress(OSError):
            states.append(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0])
    return [s for s in states if s not in "ZX"]


PARENT = """
import rushlight as torch, signal, time, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
class D(torch.utils.data.Dataset):
    def __len__(self): return 100
    def __getitem__(self, i):
        if i >= 8: time.sleep(1000)
        return i
batches = iter(torch.utils.data.DataLoader(D(), batch_size=2, num_workers=2))
next(batches)
print(*[w.pid for w in batches._workers], flush=True)
{}
"""


@pytest.mark.parametrize(
    "end",
    [
        ("for b in batches: pass", signal.SIGKILL),
        ("for b in batches: pass", signal.SIGTERM),
        ("for b in batches: pass", signal.SIGINT),
        ("raise ValueError", None),
        ("import os; os._exit(0)", None),
        ("import os; os.abort()", None),
    ],
    ids=["kill", "terminate", "ctrl-c", "exception", "_exit", "abort"],
)
def test_no_worker_outlives_the_program(end):
    line, number = end
    path = os.pathsep.join(p for p in sys.path if p)
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(line)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
    )  # fmt: skip
    workers = process.stdout.readline().split()
    assert len(workers) == 2
    if number is not None:
        assert len(alive(workers)) == 2
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
    process.wait(60)
    process.stdout.close()
    until = time.monotonic() + 30
    while alive(workers) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(workers)


def test_a_forked_child_of_the_program_leaves_the_workers_alone():
    batches = iter(DataLoader(Numbers(), batch_size=2, num_workers=2))
    next(batches)
    child = os.fork()
    if child == 0:
        batches = None
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(batches)) == 9


def test_batches_come_without_memory_files_and_with_few_descriptors():
    def few(worker):
        resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))

    loader = DataLoader(Large(6), batch_size=1, num_workers=1, worker_init_fn=few)
    for i, (tensor, array, text) in enumerate(loader):
        assert tensor.shape == (1, 40_000) and bool((tensor == i).all()) and bool((array == i).all())
        assert text == ["x" * 200_000] or text == ("x" * 200_000,)


class ManyTensors(Numbers):
    def __getitem__(self, i):
        return [rl.full((20_000,), float(k)) for k in range(300)]


def test_many_large_tensors_in_a_batch_need_few_descriptors_here():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = list(DataLoader(ManyTensors(4), batch_size=None, num_workers=1))
    assert [len(b) for b in kept] == [300] * 4
    assert all(bool((t == k).all()) for b in kept for k, t in enumerate(b))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        kept = list(DataLoader(Large(200), batch_size=1, num_workers=1))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(kept) == 200 and bool((kept[150][0] == 150).all())


class Held(Numbers):
    """Many tensors, small and large, one of them twice."""

    def __init__(self):
        super().__init__(3000)
        self.small = [rl.full((3,), float(i)) for i in range(3000)]
        self.large = [rl.full((20_000,), float(i)) for i in range(200)]
        self.again = self.large[0]

    def __getitem__(self, i):
        self.again[0] = 7.0
        return self.small[i], self.large[i % 200][0]


def test_a_spawned_worker_gets_a_dataset_of_many_tensors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    data = Held()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        loader = DataLoader(data, batch_size=500, num_workers=1, multiprocessing_context="spawn")
        small, large = next(iter(loader))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert small[:, 0].tolist() == list(range(500)) and large[1:4].tolist() == [1, 2, 3]
    assert large[0] == 7 and data.large[0][0] == 7  # large ones are shared, not copied


class Views(Numbers):
    def __init__(self):
        super().__init__(4)
        self.all = rl.arange(1_000_000).reshape(4, 250_000)

    def __getitem__(self, i):
        parameter = rl.nn.Parameter(self.all[i].double())
        return (
            self.all[i],
            self.all[i, :3],
            self.all.t()[:5],
            parameter,
            rl.empty(0),
            rl.sparse_coo_tensor([[1]], [2.0], (3,)),
        )


def test_views_parameters_and_sparse_tensors_arrive_as_they_are():
    data = Views()
    for i, (row, three, turned, parameter, empty, sparse) in enumerate(
        DataLoader(data, batch_size=None, num_workers=1)
    ):
        assert rl.equal(row, data.all[i])
        assert row.untyped_storage().nbytes() == 2_000_000 and three.tolist() == data.all[i, :3].tolist()
        assert turned.tolist() == data.all.t()[:5].tolist()
        assert isinstance(parameter, rl.nn.Parameter) and parameter.requires_grad and parameter.dtype == rl.float64
        assert empty.shape == (0,) and sparse.to_dense().tolist() == [0, 2, 0]


# ---- where a pass stands ----


def loader_of(kind, workers, **options):
    generator = rl.Generator().manual_seed(9)
    if kind == "items":
        return DataLoader(DrawnItems(), batch_size=2, num_workers=workers, generator=generator, **options)
    if kind == "stateful":
        return DataLoader(Stateful(), batch_size=2, num_workers=workers, generator=generator, **options)
    data = Drawn(23)
    if kind == "replacement":
        sampler = rl.utils.data.RandomSampler(data, replacement=True, num_samples=90, generator=generator)
        return DataLoader(data, batch_size=2, num_workers=workers, sampler=sampler, generator=generator, **options)
    if kind == "weighted":
        sampler = rl.utils.data.WeightedRandomSampler([1.0 + i for i in range(23)], 23)
        return DataLoader(data, batch_size=2, num_workers=workers, sampler=sampler, generator=generator, **options)
    if kind == "own sampler":
        return DataLoader(data, batch_size=2, num_workers=workers, sampler=OwnOrder(), generator=generator, **options)
    if kind == "own batches":
        return DataLoader(data, num_workers=workers, batch_sampler=OwnBatches(), generator=generator, **options)
    return DataLoader(data, batch_size=2, num_workers=workers, shuffle=True, generator=generator, **options)


class OwnOrder:
    def __len__(self):
        return 23

    def __iter__(self):
        return iter(random.sample(range(23), 23))


class OwnBatches:
    """A sampler with a state of its own."""

    def __init__(self):
        self.at = 0

    def __len__(self):
        return 7

    def __iter__(self):
        while self.at < 7:
            self.at += 1
            yield [self.at, 2 * self.at]
        self.at = 0

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


class Stateful(IterableDataset):
    """Counts from where it was; winding on would be noticed."""

    at = 0
    resumed = False

    def __iter__(self):
        info = get_worker_info()
        step = 1 if info is None else info.num_workers
        while self.at < 12:
            self.at += 1
            yield (
                rl.tensor(self.at * step + (0 if info is None else info.id)),
                rl.rand(1),
                random.random(),
                np.random.rand(),
            )
        self.at = 0

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


@pytest.mark.parametrize(
    "kind", ["shuffled", "replacement", "weighted", "own sampler", "own batches", "items", "stateful"]
)
@pytest.mark.parametrize(("before", "after", "taken"), [(2, 2, 4), (3, 1, 1), (2, 0, 4), (2, 3, 1)])
def test_a_pass_goes_on_where_it_was_left(kind, taken, before, after):
    rl.manual_seed(1)
    random.seed(1)
    whole = loader_of(kind, before)
    batches = iter(whole)
    for _ in range(taken):
        next(batches)
    state = whole.state_dict()
    rest = list(batches)
    rl.manual_seed(77)
    random.seed(77)
    np.random.seed(77)
    own = rl.get_rng_state(), random.getstate()
    again = loader_of(kind, after)
    again.load_state_dict(state)
    resumed = list(again)
    same(resumed, rest)
    assert rl.equal(rl.get_rng_state(), own[0])
    assert random.getstate() == own[1]


@pytest.mark.parametrize("kind", ["shuffled", "own batches", "items", "stateful"])
def test_a_pass_without_workers_goes_on_with_the_programs_random_numbers(kind):
    def draws():
        return rl.get_rng_state(), random.getstate(), np.random.get_state()

    rl.manual_seed(1)
    random.seed(1)
    whole = loader_of(kind, 0)
    batches = iter(whole)
    for _ in range(3):
        next(batches)
    state, now = whole.state_dict(), draws()
    rest = list(batches)
    again = loader_of(kind, 0)
    again.load_state_dict(state)
    numbers = iter(again)
    rl.set_rng_state(now[0])
    random.setstate(now[1])
    np.random.set_state(now[2])
    resumed = list(numbers)
    same(resumed, rest)


def test_a_pass_that_began_without_workers_keeps_its_order_with_some():
    whole = DataLoader(Numbers(), batch_size=3, shuffle=True)
    batches = iter(whole)
    next(batches)
    state = whole.state_dict()
    again = DataLoader(Numbers(), batch_size=3, shuffle=True, num_workers=2)
    again.load_state_dict(state)
    assert [b.tolist() for b in again] == [b.tolist() for b in batches]


def test_states_survive_the_end_of_a_pass_a_file_and_a_broken_loop(tmp_path):
    whole = loader_of("shuffled", 2)
    for k, _ in enumerate(whole):
        if k == 2:
            break  # the workers are gone; their place is known
    rl.save(whole.state_dict(), tmp_path / "state.pt")
    again = loader_of("shuffled", 1)
    again.load_state_dict(rl.load(tmp_path / "state.pt", weights_only=True))
    uninterrupted = loader_of("shuffled", 2)
    first, second = list(uninterrupted), list(uninterrupted)
    same(list(again), first[3:])
    assert again.state_dict()["finished"]
    after = loader_of("shuffled", 2)
    after.load_state_dict(again.state_dict())
    same(list(after), second)


def test_persistent_workers_keep_their_random_numbers_in_a_state():
    def make():
        return loader_of("shuffled", 2, persistent_workers=True)

    whole = make()
    list(whole)
    between = whole.state_dict()
    batches = iter(whole)
    next(batches)
    middle = whole.state_dict()
    second = list(batches)
    again = make()
    again.load_state_dict(between)
    same(list(again)[1:], second)
    again = make()
    again.load_state_dict(middle)
    same(list(again), second)
    same(list(again), list(whole))


def test_states_of_something_else_are_refused():
    loader = loader_of("shuffled", 0)
    for wrong in ({}, {"version": 2}, None):
        with pytest.raises(ValueError, match="load_state_dict"):
            loader.load_state_dict(wrong)
    with pytest.raises(ValueError, match="iterable dataset"):
        loader.load_state_dict(loader_of("items", 0).state_dict())


def test_samplers_go_on_by_themselves():
    data = range(10)
    samplers = rl.utils.data
    for make in (
        lambda: samplers.SequentialSampler(data),
        lambda: samplers.RandomSampler(data, generator=rl.Generator().manual_seed(2)),
        lambda: samplers.RandomSampler(data, replacement=True, num_samples=70, generator=rl.Generator().manual_seed(2)),
        lambda: samplers.RandomSampler(data),
        lambda: samplers.SubsetRandomSampler([5, 2, 8, 1, 7, 3]),
        lambda: samplers.DistributedSampler(data, 2, 1),
        lambda: samplers.BatchSampler(samplers.RandomSampler(data, num_samples=35), 3, False),
    ):
        sampler = make()
        indices = iter(sampler)
        for _ in range(2):
            next(indices)
        state = sampler.state_dict()
        assert state["yielded"] == 2
        rest = list(indices)
        again = make()
        again.load_state_dict(state)
        assert list(again) == rest


def test_a_state_goes_on_at_the_same_sample_with_other_batches():
    loader = DataLoader(Numbers(20), batch_size=4)
    batches = iter(loader)
    next(batches)
    next(batches)
    again = DataLoader(Numbers(20), batch_size=2)
    again.load_state_dict(loader.state_dict())
    assert [b.tolist() for b in again][:2] == [[8, 9], [10, 11]]


# ---- other options ----


class SomeBad(Numbers):
    def __getitem__(self, i):
        if i in (3, 8, 9, 10, 11):
            raise OSError(f"picture {i} is cut")
        return i


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_that_cannot_be_read_are_left_out_and_counted(workers):
    loader = DataLoader(SomeBad(), batch_size=4, num_workers=workers, skip_errors=True)
    assert [b.tolist() for b in loader] == [[0, 1, 2], [4, 5, 6, 7], [12, 13, 14, 15], [16, 17, 18, 19]]
    assert loader.skipped == 5
    assert loader.skipped_samples[0] == (3, "OSError: picture 3 is cut")
    loader = DataLoader(SomeBad(), batch_size=4, num_workers=workers, skip_errors=2)
    with pytest.raises(RuntimeError, match="skip_errors=2 allows 2 samples.*picture 11 is cut"):
        list(loader)


def test_a_generator_that_raised_is_no_sample_to_skip():
    class Broken(IterableDataset):
        def __iter__(self):
            yield 1
            raise OSError("cut")

    with pytest.raises(OSError, match="cut"):
        list(DataLoader(Broken(), skip_errors=True))


class Slow(Numbers):
    def __getitem__(self, i):
        if i == 0:
            time.sleep(0.5)
        return i


def test_out_of_order_gives_what_is_there_and_everything_once():
    loader = DataLoader(Slow(12), batch_size=1, num_workers=2, in_order=False)
    batches = iter(loader)
    got = [int(next(batches)) for _ in range(3)]
    assert got[0] != 0
    state = loader.state_dict()
    rest = [int(b) for b in batches]
    assert sorted(got + rest) == list(range(12))
    again = DataLoader(Slow(12), batch_size=1, num_workers=2, in_order=False)
    again.load_state_dict(state)
    assert sorted(got + [int(b) for b in again]) == list(range(12))


class Many(Numbers):
    def __getitems__(self, indices):
        return [i * 10 for i in indices]


def test_getitems_is_asked_for_whole_batches_in_workers():
    assert [b.tolist() for b in DataLoader(Many(5), batch_size=2, num_workers=1)] == [[0, 10], [20, 30], [40]]


def test_pipes_are_shared_out_among_workers():
    from rushlight.utils.data.datapipes.iter import IterableWrapper

    pipe = IterableWrapper(range(12)).shuffle().sharding_filter()
    loader = DataLoader(pipe, batch_size=2, num_workers=3, shuffle=False)
    assert sorted(x for b in loader for x in b.tolist()) == list(range(12))

    def order():
        rl.manual_seed(5)
        return [x for b in DataLoader(pipe, batch_size=2, num_workers=2, shuffle=True) for x in b.tolist()]

    assert order() == order() and sorted(order()) == list(range(12)) and order() != list(range(12))


class Told(Numbers):
    def __getitem__(self, i):
        rng = get_worker_info().rng
        return rl.rand(1, generator=rng.torch_generator), rng.random_generator.random(), rng.numpy_generator.random()


def test_threads_have_generators_of_their_own():
    def draws():
        rl.manual_seed(5)
        return [
            (a.item(), b.item(), c.item()) for a, b, c in DataLoader(Told(8), num_workers=2, worker_method="thread")
        ]

    assert draws() == draws() and len(set(draws())) == 8


def test_a_hanging_thread_is_an_error():
    loader = DataLoader(
        failing(lambda: time.sleep(3)), num_workers=1, batch_size=5, timeout=0.5, worker_method="thread"
    )
    with pytest.raises(
        RuntimeError, match="(?s)timed out after 0.5 seconds: worker 0 is reading sample 9.*in <lambda>"
    ):
        list(loader)


def test_wrong_options_are_refused():
    for options in (dict(worker_method="fibre"), dict(skip_errors=-1)):
        with pytest.raises(ValueError, match=next(iter(options))):
            DataLoader(Numbers(), **options)
