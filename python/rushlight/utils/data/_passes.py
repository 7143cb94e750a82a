"""One pass over a DataLoader: with workers and without, and where it stands."""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rushlight as rl
from rushlight import Tensor

from ._collate import default_collate
from ._utils import worker as _worker
from .dataset import Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, is_ours

_MOST_LISTED = 1000


class _Progress:
    """Where a loader is. The loader and its pass share it, and neither holds the other, so that a dropped pass ends at once."""

    def __init__(self) -> None:
        self.yielded = 0  # batches, or samples without batching
        self.finished = True
        self.base_seed: int | None = None
        self.shared_seed: int | None = None
        self.sampler: Any = None  # state of a sampler of the user's that has one
        self.random: Any = None  # of this process at the start of the pass, for a sampler of the user's that has none
        self.streams: list[dict] | None = None
        self.next_stream = 0
        self.early: set[int] = set()
        self.place: Any = None  # function that says where an iterable dataset in this process is
        self.skipped = 0
        self.skipped_samples: list[tuple[Any, str]] = []

    def count_skipped(self, found: list, most: Any) -> None:
        if not found:
            return
        self.skipped += len(found)
        self.skipped_samples.extend(found[: _MOST_LISTED - len(self.skipped_samples)])
        if most is not True and self.skipped > most:
            index, text = found[-1]
            raise RuntimeError(
                f"DataLoader: skip_errors={most} allows {most} samples to be left out, but reading {self.skipped} raised; the last is "
                f"sample {index}: {text}"
            )

    def state_of(self, loader: Any) -> dict:
        index_sampler = loader._index_sampler
        sampler = self.sampler
        if sampler is None and is_ours(index_sampler):
            sampler = {
                **index_sampler.state_dict(),
                "yielded": 0 if self.finished else self.yielded,
                "finished": self.finished,
            }
        generator = loader.generator
        return {
            "version": 1,
            "iterable": bool(loader._dataset_kind),
            "yielded": 0 if self.finished else self.yielded,
            "finished": self.finished,
            "sampler": sampler,
            "random": None if self.finished else self.random,
            "generator": None if generator is None else generator.get_state().clone(),
            "base_seed": self.base_seed,
            "shared_seed": self.shared_seed,
            "streams": None if self.streams is None else [dict(s) for s in self.streams],
            "next_stream": self.next_stream,
            "early": sorted(self.early),
            "place": None if self.finished or self.place is None else self.place(),
            "skipped": self.skipped,
        }


class _BaseDataLoaderIter:
    """A pass. It has what it needs of its loader, but not the loader."""

    def __init__(self, loader: Any, resumed: dict | None = None) -> None:
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._auto_collation = loader._auto_collation
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._timeout = loader.timeout
        self._collate_fn = loader.collate_fn
        self._drop_last = loader.drop_last
        self._persistent_workers = loader.persistent_workers
        # What PyTorch's loaders haven't may be missing: fastai's hands over an object of its own in the place of one.
        self._skip_errors = getattr(loader, "skip_errors", False)
        self._device = getattr(loader, "pin_memory_device", None) or None
        self._pin_memory = loader.pin_memory and rl.accelerator.is_available()
        if loader.pin_memory and not self._pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be used.",
                stacklevel=4,
            )
        self._generator = loader.generator
        self._progress = getattr(loader, "_progress", None) or _Progress()
        self._resumed = resumed
        self._sampler_iter: Any = None
        self._expected = loader._IterableDataset_len_called
        self._num_yielded = 0
        self._begin()

    def _begin(self) -> None:
        """Draws what a pass draws, in PyTorch's order, or takes what a state says was drawn."""
        progress, resumed = self._progress, self._resumed
        if resumed is not None:
            if resumed["generator"] is not None and self._generator is not None:
                self._generator.set_state(resumed["generator"])
            if resumed["sampler"] is not None:
                if not hasattr(self._index_sampler, "load_state_dict"):
                    raise ValueError(
                        f"DataLoader: the state to resume has one of a sampler, but {type(self._index_sampler).__name__} has no "
                        "load_state_dict(); make the loader as the one that was saved"
                    )
                self._index_sampler.load_state_dict(resumed["sampler"])
        going_on = resumed is not None and not resumed["finished"]
        progress.finished = False
        progress.early = set(resumed["early"]) if going_on else set()  # type: ignore[index]
        if going_on:
            assert resumed is not None
            progress.base_seed, progress.shared_seed = resumed["base_seed"], resumed["shared_seed"]
            progress.random = resumed["random"]
            progress.yielded = self._num_yielded = resumed["yielded"]
            progress.next_stream = resumed["next_stream"]
            if resumed["sampler"] is None and self._dataset_kind == 0:
                self._sampler_iter = _rewound(self._index_sampler, progress.yielded, progress.random)
            else:
                self._sampler_iter = iter(self._index_sampler)
            return
        progress.yielded = self._num_yielded = 0
        progress.next_stream = 0
        progress.sampler = None
        progress.random = None
        # Also a sampler of ours may take indices of one that can't say where it is.
        if self._dataset_kind == 0 and not is_ours(self._index_sampler):
            progress.random = _worker.random_state()
        self._draw_shared_seed()
        self._sampler_iter = iter(self._index_sampler)
        if resumed is not None and self._persistent_workers and resumed["streams"] is not None:
            progress.base_seed = resumed["base_seed"]  # the workers would have stayed, with their seeds
            return
        # PyTorch draws this seed for its workers, with or without any: without the draw here, everything random after it would differ.
        progress.base_seed = _draw_seed(self._generator)

    def _draw_shared_seed(self) -> None:
        from ._fetch import _is_pipe

        iter_pipes = sys.modules.get(f"{__package__}.datapipes._base")
        if iter_pipes is not None and _is_pipe(self._dataset) and isinstance(self._dataset, iter_pipes.IterDataPipe):
            self._progress.shared_seed = _draw_seed(self._generator)

    @property
    def _base_seed(self) -> int | None:
        return self._progress.base_seed

    def _next_index(self) -> Any:
        return next(self._sampler_iter)

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        if self._expected is not None and self._num_yielded > self._expected:
            text = (
                f"Length of IterableDataset {self._dataset} was reported to be {self._expected}"
                f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
            )
            if self._num_workers > 0:
                text += (
                    "For multiprocessing data-loading, this could be caused by not properly configuring the IterableDataset "
                    "replica at each worker: it should give each its share, see get_worker_info()."
                )
            warnings.warn(text, stacklevel=2)
        return _pinned(data, self._device) if self._pin_memory else data

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


def _draw_seed(generator: Any) -> int:
    return int(rl.empty((), dtype=rl.int64).random_(generator=generator).item())


def _rewound(sampler: Any, taken: int, state: Any) -> Iterator[Any]:
    """A sampler of the user's that can't say where it is: made again from the generators' states of then, and wound on."""
    now = _worker.random_state()
    try:
        if state is not None:
            _worker.set_random_state(state)
        indices = iter(sampler)
        for _ in itertools.islice(indices, taken):
            pass
    finally:
        _worker.set_random_state(now)
    return indices


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """A pass whose batches are read when they are asked for."""

    def __init__(self, loader: Any, resumed: dict | None = None) -> None:
        if self_timeout := loader.timeout:
            raise AssertionError(f"_SingleProcessDataLoaderIter requires timeout == 0, got {self_timeout}")
        super().__init__(loader, resumed)
        from ._fetch import Shared

        progress = self._progress
        progress.streams = None
        self._fetcher: Any = None
        self._rows: Iterator[Any] | None = None
        going_on = resumed is not None and not resumed["finished"]
        source = None
        if self._dataset_kind == 0 and self._collate_fn is default_collate and not going_on:
            source = _row_source(self._dataset)
        if source is not None and type(self._index_sampler) is BatchSampler:
            self._rows = _row_batches(*source, self._index_sampler)
            return
        shared = Shared(loader)
        if progress.shared_seed is not None:
            shared.prepare_pipes(self._dataset, 1, 0)
            shared.seed_pipes(self._dataset, progress.shared_seed)
        if self._dataset_kind == 0:
            self._fetcher = shared.fetcher(self._dataset)
            return
        start = _worker.random_state()
        if going_on:
            assert resumed is not None
            start = (resumed["place"] or {}).get("start", start)
            place = {k: v for k, v in (resumed["place"] or {}).items() if k != "start"}
            self._wind_on(shared, place, start, progress.yielded)
        else:
            self._fetcher = shared.fetcher(self._dataset)
        dataset, fetcher = self._dataset, self._fetcher

        def where() -> dict:
            return {"start": start, **_place_of(dataset, fetcher)}

        progress.place = where

    def _wind_on(self, shared: Any, place: dict, start: tuple, batches: int) -> None:
        now = _worker.random_state()
        try:
            if not place:
                _worker.set_random_state(start)
            if "dataset" in place:
                self._dataset.load_state_dict(place["dataset"])
            self._fetcher = shared.fetcher(self._dataset)
            if "iterator" in place:
                self._fetcher.samples.load_state_dict(place["iterator"])
            elif not place:
                from ._fetch import shared_index

                for _ in range(batches):
                    self._fetcher.fetch(shared_index(shared))
                self._fetcher.skipped.clear()
        finally:
            _worker.set_random_state(now)

    def __next__(self) -> Any:
        if self._rows is None:
            return super().__next__()
        progress, data = self._progress, next(self._rows, None)
        if data is None:
            progress.finished = True
            raise StopIteration
        progress.yielded += 1
        self._num_yielded += 1
        return _pinned(data, self._device) if self._pin_memory else data

    def _next_data(self) -> Any:
        progress = self._progress
        try:
            while True:
                index = next(self._sampler_iter)
                if progress.sampler is not None or _has_foreign_state(self._index_sampler):
                    progress.sampler = self._index_sampler.state_dict()
                fetcher = self._fetcher
                fetcher.place[0] = progress.yielded
                try:
                    data = fetcher.fetch(index)
                finally:
                    progress.yielded += 1
                if fetcher.skips:
                    found, fetcher.skipped = fetcher.skipped, []
                    progress.count_skipped(found, self._skip_errors)
                    if fetcher.emptied:
                        continue
                return data
        except StopIteration:
            progress.finished = True
            raise


def _listed(index: Any) -> str:
    from ._fetch import _listed

    return _listed(index)


def _has_foreign_state(sampler: Any) -> bool:
    if isinstance(sampler, BatchSampler) and not is_ours(sampler):
        return _has_foreign_state(sampler.sampler)
    return not is_ours(sampler) and hasattr(sampler, "state_dict") and hasattr(sampler, "load_state_dict")


def _place_of(dataset: Any, fetcher: Any) -> dict:
    from ._fetch import place_of

    return place_of(dataset, fetcher)


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """A pass whose batches workers read ahead.

    Batch k is a task of stream k modulo their number, as PyTorch gives them out; a stream that is at the end of its iterable dataset is
    left out from then on. Streams are PyTorch's workers: each has its own random numbers. There are as many processes or threads, except
    in a pass that goes on with another number of them (Host in _workers.py).
    """

    def __init__(self, loader: Any, resumed: dict | None = None) -> None:
        self._pool: Any = None
        super().__init__(loader, resumed)
        from ._fetch import Shared
        from ._workers import InlinePool, ProcessPool, ThreadPool

        going_on = resumed is not None and not resumed["finished"]
        states: Any = None
        if resumed is not None and resumed["streams"] is not None:
            if going_on or (self._persistent_workers and len(resumed["streams"]) == loader.num_workers):
                states = resumed["streams"]
        self._count = len(states) if states else loader.num_workers
        self._processes = min(self._count, max(1, loader.num_workers))
        self._prefetch = max(1, loader.prefetch_factor or 1) * max(1, loader.num_workers)
        self._in_order = getattr(loader, "in_order", True)
        each = []
        for number in range(self._count):
            own = dict(number=number, streams=self._count, base_seed=self._progress.base_seed, resumed=None)
            if states:
                own["resumed"] = dict(states[number])
                if not going_on:  # the workers stay from one pass to the next
                    own["resumed"].update(start=states[number]["random"], batches=0, dataset=None, iterator=None)
            each.append(own)
        self._progress.streams = [
            {"batches": 0, "random": None, "start": None, **(states[k] if going_on and states else {})}
            for k in range(self._count)
        ]
        hosted = [each[w :: self._processes] for w in range(self._processes)]
        threads = getattr(loader, "worker_method", "process") == "thread"
        shared = Shared(loader, threads)
        seed = self._progress.shared_seed
        if loader.num_workers == 0:
            self._pool = InlinePool(shared, hosted, seed)
        elif threads:
            self._pool = ThreadPool(shared, hosted, seed)
        else:
            import multiprocessing

            context = loader.multiprocessing_context or multiprocessing.get_context()
            self._pool = ProcessPool(context, shared, hosted, seed)
        self._workers = self._pool.workers
        self._number = 0  # of the next task; it never goes back, so that answers of a pass that was left are known
        self._first = 0  # number of the pass's first task
        self._start_tasks(again=not going_on)

    def _start_tasks(self, again: bool) -> None:
        progress = self._progress
        if again:  # PyTorch makes the sampler's iterator twice
            if progress.random is not None:
                progress.random = _worker.random_state()
            self._sampler_iter = iter(self._index_sampler)
        self._first = self._number - progress.yielded
        self._received = self._number
        self._tasks: dict[int, list] = {}
        self._cycle = progress.next_stream
        self._outstanding = [0] * self._count
        self._active = [True] * self._count
        self._last_news: dict[int, dict] = {}  # of streams that are at their end
        self._more = True
        for _ in range(self._prefetch):
            self._give_task()

    def _can_restart(self, loader: Any) -> bool:
        return self._pool is not None and self._count == loader.num_workers

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        """A new pass by the same workers."""
        self._expected = loader._IterableDataset_len_called
        progress, seed = self._progress, self._progress.base_seed
        self._resumed = None
        progress.finished = False
        progress.early, progress.sampler, progress.random = set(), None, None
        progress.yielded = self._num_yielded = progress.next_stream = 0
        if self._dataset_kind == 0 and not is_ours(self._index_sampler):
            progress.random = _worker.random_state()
        self._draw_shared_seed()
        progress.base_seed = seed
        for stream in progress.streams or ():
            stream.update(batches=0, start=stream["random"])
            stream.pop("dataset", None)
            stream.pop("iterator", None)
        for worker in range(self._processes):
            self._pool.send(worker, ("restart", progress.shared_seed))
        self._start_tasks(again=True)

    def _give_task(self) -> None:
        if not self._more:
            return
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            self._more = False
            return
        sampler = self._index_sampler.state_dict() if _has_foreign_state(self._index_sampler) else None
        number = self._number
        if number - self._first in self._progress.early:
            # Given before the pass was interrupted, ahead of its turn.
            self._number += 1
            self._cycle = (self._cycle + 1) % self._count
            self._give_task()
            return
        stream = self._stream_for_task()
        if stream is None:
            return
        self._number += 1
        self._tasks[number] = [stream, index, None, sampler]
        self._outstanding[stream] += 1
        self._pool.send(stream % self._processes, (number, stream, index))

    def _stream_for_task(self) -> int | None:
        most = max(1, self._prefetch // max(1, sum(self._active)))
        for _ in range(self._count):
            stream = self._cycle
            self._cycle = (stream + 1) % self._count
            if self._active[stream] and (self._in_order or self._outstanding[stream] < most):
                return stream
        return None

    def _next_data(self) -> Any:
        if self._pool is None:
            if self._progress.finished:
                raise StopIteration
            raise RuntimeError("DataLoader: the workers of this pass have ended; make a new iterator")
        while True:
            while self._received < self._number:
                task = self._tasks.get(self._received)
                if task is not None:
                    if task[2] is not None or self._active[task[0]]:
                        break
                    del self._tasks[self._received]
                self._received += 1
            else:
                for stream, news in self._last_news.items():
                    self._hear(stream, news)
                self._progress.finished = True
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            number = self._received
            if self._tasks[number][2] is None:
                number = self._wait()
                if number is None or (self._in_order and number != self._received):
                    continue
            task = self._tasks.pop(number)
            if number == self._received:
                self._received += 1
            kind, data = self._deliver(number, *task)
            if kind == "data":
                return data

    def _deliver(self, number: int, stream: int, index: Any, answer: tuple, sampler: Any) -> tuple[str, Any]:
        """The batch of a task is given to the program: the pass has come so far."""
        kind, _, _, data, news = answer
        progress = self._progress
        if number + 1 == self._received:
            progress.yielded = number + 1 - self._first
            while progress.yielded in progress.early:
                progress.early.discard(progress.yielded)
                progress.yielded += 1
        else:
            progress.early.add(number - self._first)
        progress.next_stream = (stream + 1) % self._count
        if sampler is not None:
            progress.sampler = sampler
        self._hear(stream, news)
        self._give_task()
        if news is not None:
            progress.count_skipped(news["skipped"], self._skip_errors)
        if kind == "error":
            if "\nDataLoader: " not in data.exc_msg and self._dataset_kind == 0:
                data.exc_msg += f"DataLoader: batch {number - self._first}, of the samples {_listed(index)}\n"
            data.reraise()
        return kind, data

    def _hear(self, stream: int, news: dict | None) -> None:
        if news is None or self._progress.streams is None:
            return
        own = self._progress.streams[stream]
        own["batches"] = news["batches"]
        if news["random"] is not None:
            own["random"] = news["random"]
        own.update({k: news[k] for k in ("dataset", "iterator") if k in news})

    def _wait(self) -> int | None:
        """Waits for one answer, and files it: the number of its task, or None if it has none."""
        got = self._pool.receive(self._timeout or None)
        if got is None:
            self._too_late()
        worker, read = got
        if not callable(read):
            self._died(worker, read.text, read.by_signal)
        try:
            answer = read()
        except Exception as error:
            error.add_note(f"DataLoader: reading what worker {worker} sent, see `_transport.py`")
            raise
        kind, number, stream, data, news = answer
        task = self._tasks.get(number)
        if kind == "exit":
            code, error = data
            text = f"with exit code {code}: the dataset called exit()\n{error.exc_msg}"
            self._died(worker, text)
        if task is None:
            return None  # of a pass that was left
        self._outstanding[stream] -= 1
        if kind == "end":
            self._active[stream] = False
            self._last_news[stream] = news  # batches before it may be waiting for their turn
            if news is not None:
                self._progress.count_skipped(news["skipped"], self._skip_errors)
            self._give_task()
            return None
        task[2] = answer
        return number

    def _doing(self, worker: int) -> str:
        """What a worker is reading, in words."""
        number, position = self._pool.place(worker)
        task = self._tasks.get(number)
        if task is None or position == -2:
            return "between two samples"
        index = task[1]
        if self._dataset_kind != 0:
            return f"reading an item of the iterable dataset, number {position} of batch {number - self._first}"
        if not self._auto_collation:
            return f"reading sample {index!r}"
        if position < 0:
            return f"reading the samples {_listed(index)} of batch {number - self._first}"
        return f"reading sample {list(index)[position]!r}, number {position} of batch {number - self._first}"

    def _too_late(self) -> None:
        stream = self._tasks[self._received][0]
        worker = stream % self._processes
        pid = getattr(self._workers[worker], "pid", None)
        where = self._pool.where(worker)
        self._hangs = True
        raise RuntimeError(
            f"DataLoader timed out after {self._timeout} seconds: worker {worker}{f' (pid {pid})' if pid else ''} is "
            f"{self._doing(worker)}" + (f"\nIts traceback:\n{where}" if where else "")
        )

    _hangs = False

    def _died(self, worker: int, text: str, by_signal: str = "") -> None:
        doing, pid = self._doing(worker), getattr(self._workers[worker], "pid", None)
        self._hangs = True
        self._shutdown_workers()
        if by_signal:
            what = f"DataLoader worker (pid {pid}) is killed by signal: {by_signal}. "
        else:
            what = f"DataLoader worker (pid(s) {pid}) exited unexpectedly: "
        raise RuntimeError(f"{what}It was worker {worker}, {doing}; {text}".rstrip("; "))

    def _shutdown_workers(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(**({"grace": 0.05} if self._hangs else {}))

    def __del__(self) -> None:
        if getattr(self, "_pool", None) is not None:
            self._shutdown_workers()


def _pinned(data: Any, device: Any) -> Any:
    """The same with tensors in pinned memory, as far down as containers and objects with `pin_memory()` go."""
    if isinstance(data, Tensor):
        return data.pin_memory(device)
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        pinned = {k: _pinned(v, device) for k, v in data.items()}
        try:
            return type(data)(pinned)  # type: ignore[call-arg]
        except TypeError:  # a mapping of some other making
            return pinned
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(_pinned(v, device) for v in data))
    if isinstance(data, Sequence):
        pinned_list = [_pinned(v, device) for v in data]
        return tuple(pinned_list) if isinstance(data, tuple) else pinned_list
    return data.pin_memory() if hasattr(data, "pin_memory") else data


def _row_source(dataset: Any) -> tuple[tuple[Tensor, ...], Tensor | None] | None:
    """The tensors whose rows are the samples, and which row each index means (None: its own).

    None for a dataset that is not a TensorDataset or a Subset of one: its samples are made one by one.
    """
    if type(dataset) is TensorDataset:
        return dataset.tensors, None
    if type(dataset) is Subset:
        below = _row_source(dataset.dataset)
        if below is not None:
            rows = rl.as_tensor(list(dataset.indices), dtype=rl.int64)
            tensors, mapping = below
            return tensors, rows if mapping is None else mapping[rows]
    return None


def _row_batches(tensors: tuple[Tensor, ...], mapping: Tensor | None, batches: BatchSampler) -> Iterator[list]:
    """Batches gathered by one operator a tensor: the values that stacking single rows would give."""
    size = batches.batch_size
    sampler = batches.sampler
    order: Tensor | None = None
    if type(sampler) is RandomSampler:
        order = sampler._permutation()
    elif type(sampler) is SequentialSampler:
        if mapping is None:
            n = len(sampler)
            stop = n - n % size if batches.drop_last else n
            for start in range(0, stop, size):
                yield [t[start : start + size].clone() for t in tensors]
            return
        order = rl.arange(len(sampler))
    if order is None:
        for indices in batches:
            rows = rl.tensor(indices, dtype=rl.int64)
            rows = rows if mapping is None else mapping[rows]
            yield [t[rows] for t in tensors]
        return
    if mapping is not None:
        order = mapping[order]
    n = len(order)
    stop = n - n % size if batches.drop_last else n
    for start in range(0, stop, size):
        rows = order[start : start + size]
        yield [t.index_select(0, rows) for t in tensors]
    if type(sampler) is RandomSampler:
        sampler._after_permutation()
