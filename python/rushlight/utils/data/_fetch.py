"""Reading samples: what a worker does, and the loader itself where there are none."""

from __future__ import annotations

import copy
from typing import Any

from ._utils import worker as _worker

__all__ = ["Fetcher", "Stream"]


class Fetcher:
    """Batches of a dataset. `place` is told which sample is being read: [number of the batch, position in it].

    With `skips`, samples whose reading raises are left out, and listed in `skipped` as (sample, text of the error).
    """

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool, skips: bool = False
    ) -> None:
        self.dataset, self.auto_collation, self.collate_fn, self.drop_last = (
            dataset,
            auto_collation,
            collate_fn,
            drop_last,
        )
        self.skips = skips
        self.skipped: list[tuple[Any, str]] = []
        self.place: Any = [0, 0]
        self.emptied = False  # the last batch had no samples left after skipping

    def fetch(self, index: Any) -> Any:
        """The batch of a list of indices, or the sample of one."""
        self.emptied = False
        samples = self._samples(index) if self.auto_collation else [self._sample(index, 0)]
        samples = [s for s in samples if s is not _SKIPPED] if self.skips and type(samples) is list else samples
        if not self.auto_collation:
            if not samples:
                self.emptied = True
                return None
            return self._collate(samples[0], index)
        if self.skips and not len(samples):
            self.emptied = True
            return None
        return self._collate(samples, index)

    def _samples(self, indices: Any) -> Any:
        get_many = getattr(self.dataset, "__getitems__", None)
        if get_many is None:
            return self._one_by_one(indices)
        self.place[1] = -1  # all at once
        try:
            return get_many(indices)
        except Exception as error:
            if self.skips and hasattr(type(self.dataset), "__getitem__"):
                return self._one_by_one(indices)  # finds out which
            _note(error, f"reading the samples {_listed(indices)} by __getitems__")
            raise

    def _one_by_one(self, indices: Any) -> list:
        if self.skips:
            return [self._sample(index, k) for k, index in enumerate(indices)]
        dataset, place = self.dataset, self.place
        samples = []
        k = 0
        try:
            for k, index in enumerate(indices):
                place[1] = k
                samples.append(dataset[index])
        except Exception as error:
            _note(error, f"reading sample {list(indices)[k]}")
            raise
        return samples

    def _sample(self, index: Any, k: int) -> Any:
        self.place[1] = k
        try:
            return self.dataset[index]
        except Exception as error:
            if self.skips:
                return self._skip(index, error)
            _note(error, f"reading sample {_listed(index)}")
            raise

    def _skip(self, index: Any, error: Exception) -> Any:
        self.skipped.append((index, f"{type(error).__name__}: {error}"))
        return _SKIPPED

    def _collate(self, samples: Any, index: Any) -> Any:
        try:
            return self.collate_fn(samples)
        except Exception as error:
            _note(error, f"making a batch of the samples {_listed(index)}")
            raise


class IterableFetcher(Fetcher):
    """Batches of an iterable dataset; the index says only how many samples."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.samples = iter(self.dataset)
        self.ended = False
        self.read = 0

    def fetch(self, index: Any) -> Any:
        """Raises StopIteration at the end."""
        self.emptied = False
        if not self.auto_collation:
            while (sample := self._next(0)) is _SKIPPED:
                pass
            return self._collate(sample, self.read - 1)
        if self.ended:
            raise StopIteration
        first, batch = self.read, []
        try:
            while len(batch) < len(index):
                sample = self._next(len(batch))
                if sample is not _SKIPPED:
                    batch.append(sample)
        except StopIteration:
            self.ended = True
        if not batch or (self.drop_last and len(batch) < len(index)):
            raise StopIteration
        return self._collate(batch, range(first, self.read))

    def _next(self, k: int) -> Any:
        self.place[1] = k
        try:
            sample = next(self.samples)
        except StopIteration:
            raise
        except Exception as error:
            # A generator that raised is at its end: going on would lose what it had still to give.
            if self.skips and not (hasattr(self.samples, "gi_frame") and self.samples.gi_frame is None):
                self.read += 1
                return self._skip(self.read - 1, error)
            _note(error, f"reading sample {self.read} of the iterable dataset")
            raise
        self.read += 1
        return sample


_SKIPPED = object()


def _note(error: BaseException, what: str) -> None:
    if not any(note.startswith("DataLoader: ") for note in getattr(error, "__notes__", ())):
        error.add_note(f"DataLoader: {what}")


def _listed(indices: Any) -> str:
    """At most 32 of them."""
    if not isinstance(indices, (list, range)):
        return repr(indices)
    return "[" + ", ".join(map(repr, indices[:32])) + (f", ... {len(indices) - 32} more]" if len(indices) > 32 else "]")


class Stream:
    """One worker as the program sees it: its random numbers, its place in an iterable dataset, its WorkerInfo.

    A process or thread has one of them, and several where a pass goes on with fewer workers than it began with.
    """

    def __init__(self, number: int, streams: int, base_seed: int, shared: Shared, resumed: Any = None) -> None:
        self.number, self.streams, self.base_seed, self.shared = number, streams, base_seed, shared
        self.dataset = shared.dataset
        self.rng = _worker.generators_of(base_seed, number) if shared.threads else None
        self.state: Any = None  # of the generators, while another stream of this process has its turn
        self.sent: Any = None  # what was last told of it
        self.fetcher: Any = None
        self.batches = 0
        self._info: Any = None
        self._resumed = resumed

    def begin(self, alone: bool = True) -> None:
        """Seeds, and calls worker_init_fn. May raise what that raises."""
        shared = self.shared
        if not shared.threads:
            _worker.seed_all(self.base_seed, self.number)
        if not alone and shared.iterable and not shared.threads:
            self.dataset = copy.deepcopy(self.dataset)  # each has a place of its own in it
        method = "thread" if shared.threads else "multiprocessing"
        self._info = _worker.WorkerInfo(
            self.number, self.streams, self.base_seed + self.number, self.dataset, self.rng, method
        )
        _worker.set_worker_info(self._info)
        shared.prepare_pipes(self.dataset, self.streams, self.number)
        if shared.init_fn is not None:
            shared.init_fn(self.number)

    def start_pass(self, seed: int | None = None) -> None:
        """Makes the fetcher, for an iterable dataset at its place."""
        shared, resumed = self.shared, self._resumed
        self._resumed = None
        self.batches = 0
        if resumed is not None and resumed["start"] is not None:
            self.set_random(resumed["start"])
        shared.seed_pipes(self.dataset, seed)
        if resumed is not None and resumed.get("dataset") is not None:
            self.dataset.load_state_dict(resumed["dataset"])
        self.fetcher = shared.fetcher(self.dataset)
        if resumed is not None:
            if shared.iterable:
                self._wind_on(resumed)
            self.batches = resumed["batches"]
            if resumed["random"] is not None:
                self.set_random(resumed["random"])
        self.sent = self.random()

    def _wind_on(self, resumed: dict) -> None:
        state = resumed.get("iterator")
        if state is not None:
            self.fetcher.samples.load_state_dict(state)
        elif resumed.get("dataset") is None:
            for _ in range(resumed["batches"]):
                self.fetcher.fetch(shared_index(self.shared))
            self.fetcher.skipped.clear()  # counted before

    def random(self) -> Any:
        return _worker.random_state(self.rng)

    def set_random(self, state: Any) -> None:
        _worker.set_random_state(state, self.rng)

    def enter(self) -> None:
        """Takes its turn in a process of several."""
        _worker.set_worker_info(self._info)
        if self.state is not None:
            self.set_random(self.state)

    def leave(self) -> None:
        self.state = self.random()

    def news(self) -> Any:
        """The state of its generators if that has changed since it was last told, else None."""
        state = self.random()
        if state == self.sent:
            return None
        self.sent = state
        return state

    def place(self) -> dict:
        return place_of(self.dataset, self.fetcher) if self.shared.iterable else {}


def place_of(dataset: Any, fetcher: Any) -> dict:
    """Where an iterable dataset is that can say so: its iterator's state, or its own."""
    for name, holder in (("iterator", fetcher.samples), ("dataset", dataset)):
        if callable(getattr(holder, "state_dict", None)) and callable(getattr(holder, "load_state_dict", None)):
            return {name: copy.deepcopy(holder.state_dict())}
    return {}


def shared_index(shared: Shared) -> Any:
    """What a sampler of an iterable dataset gives."""
    return [None] * shared.batch_size if shared.auto_collation else None


class Shared:
    """What all workers of a loader have in common, and what goes to a worker process at its start."""

    def __init__(self, loader: Any, threads: bool = False) -> None:
        self.dataset = loader.dataset
        self.iterable = bool(loader._dataset_kind)
        self.auto_collation = loader._auto_collation
        self.collate_fn, self.drop_last = loader.collate_fn, loader.drop_last
        self.batch_size = getattr(loader, "batch_size", None)
        self.skips = getattr(loader, "skip_errors", False) is not False
        self.init_fn = loader.worker_init_fn
        self.threads = threads

    def fetcher(self, dataset: Any) -> Fetcher:
        kind = IterableFetcher if self.iterable else Fetcher
        return kind(dataset, self.auto_collation, self.collate_fn, self.drop_last, self.skips)

    def prepare_pipes(self, dataset: Any, streams: int, number: int) -> None:
        if _is_pipe(dataset):
            from .graph_settings import apply_sharding

            apply_sharding(dataset, streams, number)

    def seed_pipes(self, dataset: Any, seed: int | None) -> None:
        if seed is not None and _is_pipe(dataset):
            seed_pipes(dataset, seed)


def _is_pipe(dataset: Any) -> bool:
    import sys

    pipes = sys.modules.get(f"{__package__}.datapipes._base")
    return pipes is not None and isinstance(dataset, (pipes.IterDataPipe, pipes.MapDataPipe))


def seed_pipes(dataset: Any, seed: int) -> None:
    import rushlight as rl

    from .graph_settings import apply_random_seed

    generator = rl.Generator()
    generator.manual_seed(seed)
    apply_random_seed(dataset, generator)
