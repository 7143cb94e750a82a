"""DataLoader: batches of a dataset, read in this process, in worker processes or in threads."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from ._collate import default_collate, default_convert
from ._passes import _BaseDataLoaderIter, _MultiProcessingDataLoaderIter, _Progress, _SingleProcessDataLoaderIter
from ._utils.worker import get_worker_info
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_worker_init_fn_t = Callable[[int], None]
_collate_fn_t = Callable[[list[_T]], Any]


class _DatasetKind:
    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(kind: int, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool) -> Any:
        from . import _fetch

        make = _fetch.IterableFetcher if kind == _DatasetKind.Iterable else _fetch.Fetcher
        return make(dataset, auto_collation, collate_fn, drop_last)


class _InfiniteConstantSampler(Sampler):
    """The index of samples that have none."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[_T_co]):
    """Batches of a dataset.

    Args:
        dataset: with ``dataset[i]`` and ``len(dataset)``, or an IterableDataset. With ``__getitems__(indices)`` it is asked for a
            whole batch at once.
        batch_size: samples in a batch; None for single samples without batching.
        shuffle: a new random order on each pass.
        sampler, batch_sampler: orders of indices, or of lists of them, instead of ``shuffle``.
        num_workers: how many workers read batches ahead; 0: they are read when they are asked for. Order and batches are the same.
        collate_fn: makes a batch of a list of samples. Default: default_collate.
        pin_memory: batches go to memory that an accelerator copies from faster. Without one nothing happens.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a batch of the workers before RuntimeError is raised; 0: for ever. A worker that has ended is
            an error at once in any case.
        worker_init_fn: called in each worker with its number, after its generators are seeded.
        multiprocessing_context: how processes start: "fork", "spawn", "forkserver", or one of multiprocessing's contexts.
        generator: where the random order and the workers' seeds are drawn from. Default: the default generator.
        prefetch_factor: batches that each worker reads ahead. Default: 2.
        persistent_workers: the workers stay when a pass ends, and serve the next one.
        in_order: batches come in the sampler's order; False: as soon as they are there.
        worker_method: "multiprocessing", or "thread" for threads of this process: nothing is copied or pickled, but only what releases
            the interpreter's lock runs at once. Their generators are ``get_worker_info().rng``; the global ones are everybody's.
        skip_errors: leave out samples whose reading raises; a number: at most so many. ``skipped`` counts them, and
            ``skipped_samples`` lists the first 1000 as (index, text of the error).

    An error in a worker is raised here, with the worker, the sample and the worker's traceback in its text. Workers never outlive the
    loader's pass, nor the process, however that ends.

    >>> import rushlight as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(5))
    >>> [batch.tolist() for (batch,) in torch.utils.data.DataLoader(data, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    >>> [batch.tolist() for (batch,) in torch.utils.data.DataLoader(data, batch_size=2, num_workers=2)]
    [[0, 1], [2, 3], [4]]
    """

    dataset: Dataset
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Any
    __initialized = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        worker_method: str = "multiprocessing",
        skip_errors: bool | int = False,
    ) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
        if timeout < 0:
            raise ValueError("timeout option should be non-negative")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError(
                "prefetch_factor option could only be specified in multiprocessing."
                "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
            )
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        elif prefetch_factor is not None and prefetch_factor < 0:
            raise ValueError("prefetch_factor option should be non-negative")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if worker_method not in ("multiprocessing", "thread"):
            raise ValueError(
                f"worker_method option should be 'multiprocessing' or 'thread', but got worker_method={worker_method!r}"
            )
        if isinstance(skip_errors, int) and skip_errors < 0:
            raise ValueError(f"skip_errors option should be a bool or a number >= 0, but got skip_errors={skip_errors}")
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.worker_method = worker_method
        self.skip_errors = skip_errors

        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            if shuffle is not None and hasattr(dataset, "register_datapipe_as_function"):
                from .graph_settings import apply_shuffle_settings

                dataset, shuffle = apply_shuffle_settings(dataset, shuffle), None
            for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                    )
        else:
            shuffle = bool(shuffle)
            self._dataset_kind = _DatasetKind.Map
        if sampler is not None and shuffle:
            raise ValueError(
                "sampler option is mutually exclusive with shuffle. Hint: leave shuffle out; the sampler says the order"
            )
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"
                )
            batch_size = None
            drop_last = False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._dataset_kind == _DatasetKind.Iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                if not hasattr(type(dataset), "__len__"):
                    raise TypeError(
                        f"object of type '{type(dataset).__name__}' has no len(). Hint: shuffle=True needs the number of samples: "
                        "give the dataset a __len__, or make it an IterableDataset that shuffles by itself"
                    )
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.dataset = dataset
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.__initialized = True
        self._IterableDataset_len_called: int | None = None
        self._iterator: Any = None
        self._progress = _Progress()
        self._to_resume: dict | None = None
        self.check_worker_number_rationality()

    @property
    def multiprocessing_context(self) -> Any:
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
                    f"num_workers={self.num_workers}"
                )
            import multiprocessing

            if isinstance(context, str):
                valid = multiprocessing.get_all_start_methods()
                if context not in valid:
                    raise ValueError(
                        f"multiprocessing_context option should specify a valid start method in {valid!r}, but got "
                        f"multiprocessing_context={context!r}"
                    )
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(
                    "multiprocessing_context option should be a valid context object or a string specifying the start method, "
                    f"but got multiprocessing_context={context}"
                )
        self.__multiprocessing_context = context

    def __setattr__(self, attr: str, value: Any) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if self.__initialized and attr in fixed:
            raise ValueError(f"{attr} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(attr, value)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def _get_iterator(self) -> _BaseDataLoaderIter:
        resumed, self._to_resume = self._to_resume, None
        if self.num_workers > 0:
            self.check_worker_number_rationality()
        # A pass that began without workers has its place in an iterable dataset here, and goes on here.
        here = resumed is not None and not resumed["finished"] and self._dataset_kind == _DatasetKind.Iterable
        workers = resumed["streams"] is not None if here else self.num_workers > 0
        if resumed is not None and not resumed["finished"] and resumed["streams"] is not None:
            workers = True
        return (_MultiProcessingDataLoaderIter if workers else _SingleProcessDataLoaderIter)(self, resumed)

    def __iter__(self) -> _BaseDataLoaderIter:
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None or self._to_resume is not None or not self._iterator._can_restart(self):
            self._iterator = None
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    def __len__(self) -> int:
        if self._dataset_kind != _DatasetKind.Iterable:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    @property
    def skipped(self) -> int:
        """How many samples skip_errors has left out, in all passes."""
        return self._progress.skipped

    @property
    def skipped_samples(self) -> list[tuple[Any, str]]:
        """The first 1000 of them: (index, text of the error)."""
        return self._progress.skipped_samples

    def state_dict(self) -> dict:
        """Where the loader is: after the batch that it gave last. load_state_dict() of a loader made alike goes on from there.

        The rest of the pass has the same batches in the same order, with the same random numbers in the workers, also where the new
        loader has another number of workers (a pass without workers draws from the program's own generators: their states are for the
        program to save). An iterable dataset, or its iterator, with state_dict() and load_state_dict() is put back by these, another is
        read again up to its place; so is a sampler of the user's. After the last batch it is the beginning of the next pass.

        >>> import rushlight as torch
        >>> def loader(workers):
        ...     data = torch.utils.data.TensorDataset(torch.arange(6))
        ...     return torch.utils.data.DataLoader(data, batch_size=2, shuffle=True, num_workers=workers)
        >>> first, second = loader(0), loader(1)
        >>> batches = iter(first)
        >>> _ = next(batches)
        >>> second.load_state_dict(first.state_dict())
        >>> [a.tolist() for (a,) in batches] == [b.tolist() for (b,) in second]
        True
        """
        if self._to_resume is not None:
            return dict(self._to_resume)
        return self._progress.state_of(self)

    def load_state_dict(self, state_dict: dict) -> None:
        """The next ``iter()`` of this loader goes on where state_dict() was taken.

        Raises ValueError for a state of another kind of dataset, and for what is no loader's state.
        """
        if not isinstance(state_dict, dict) or state_dict.get("version") != 1:
            raise ValueError("DataLoader.load_state_dict: expected what state_dict() of a DataLoader gave")
        if state_dict["iterable"] != bool(self._dataset_kind):
            kinds = ["a dataset with indices", "an iterable dataset"]
            raise ValueError(
                f"DataLoader.load_state_dict: the state is of a loader of {kinds[state_dict['iterable']]}, this one has "
                f"{kinds[bool(self._dataset_kind)]}"
            )
        self._to_resume = dict(state_dict)
        self._progress = _Progress()
        self._progress.skipped = state_dict["skipped"]

    def check_worker_number_rationality(self) -> None:
        """Warns if there are more workers than processors that they may run on."""
        most = len(os.sched_getaffinity(0))
        if self.num_workers > most and self.worker_method == "multiprocessing":
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our suggested max number of worker in "
                f"current system is {most}, which is smaller than what this DataLoader is going to create. Please be aware that "
                "excessive worker creation might get DataLoader running slow or even freeze, lower the worker number to avoid "
                "potential slowness/freeze if necessary.",
                stacklevel=3,
            )
