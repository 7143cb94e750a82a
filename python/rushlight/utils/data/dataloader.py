"""DataLoader: batches of a dataset, loaded in the process that asks for them."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import rushlight as rl
from rushlight import Tensor

from ._collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset, Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "get_worker_info"]

_T_co = TypeVar("_T_co", covariant=True)


class _DatasetKind:
    Map = 0
    Iterable = 1


class _InfiniteConstantSampler(Sampler):
    """The index of samples that have none."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


def get_worker_info() -> None:
    """None: samples are always loaded in the main process."""
    return None


class DataLoader(Generic[_T_co]):
    """Batches of a dataset.

    Samples are loaded in this process, whatever ``num_workers`` says; a warning says so if it is not zero.

    Args:
        batch_size: samples in a batch; None for single samples without batching.
        shuffle: a new random order on each pass.
        sampler, batch_sampler: orders of indices, or of lists of them, instead of ``shuffle``.
        collate_fn: makes a batch of a list of samples. Default: default_collate.
        drop_last: leave out a last batch that is not full.
        generator: where the random order is drawn from.

    >>> import rushlight as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(5))
    >>> [batch.tolist() for (batch,) in torch.utils.data.DataLoader(data, batch_size=2)]
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
        if multiprocessing_context is not None and num_workers == 0:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got "
                f"num_workers={num_workers}"
            )
        if num_workers > 0:
            warnings.warn(
                f"DataLoader: num_workers={num_workers} has no effect: rushlight loads samples in the main process. "
                "Batches and their order are the same; pass num_workers=0 to silence this.",
                stacklevel=2,
            )
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order

        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
                    )
        else:
            shuffle = bool(shuffle)
            self._dataset_kind = _DatasetKind.Map
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
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
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
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

    def __iter__(self) -> Iterator[Any]:
        return _LoaderIter(self)

    def __len__(self) -> int:
        if self._dataset_kind != _DatasetKind.Iterable:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)


class _LoaderIter:
    """One pass over a loader."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        # PyTorch draws this seed for its workers, with or without any: without the draw here,
        # everything random after it would differ.
        self._base_seed = rl.empty((), dtype=rl.int64).random_(generator=loader.generator).item()
        self._num_yielded = 0
        self._batches = self._start()

    def _start(self) -> Iterator[Any]:
        loader = self._loader
        if loader._dataset_kind == _DatasetKind.Iterable:
            return self._iterable_batches(iter(loader.dataset))  # type: ignore[call-overload]
        source = _row_source(loader.dataset) if loader.collate_fn is default_collate else None
        sampler = loader.batch_sampler
        if source is not None and type(sampler) is BatchSampler:
            return _row_batches(*source, sampler)
        return self._map_batches()

    def _map_batches(self) -> Iterator[Any]:
        loader = self._loader
        dataset, collate_fn = loader.dataset, loader.collate_fn
        if not loader._auto_collation:
            for index in loader.sampler:
                yield collate_fn(dataset[index])  # type: ignore[arg-type]
            return
        get_many = getattr(dataset, "__getitems__", None)
        for indices in loader.batch_sampler:
            samples = get_many(indices) if get_many else [dataset[i] for i in indices]
            yield collate_fn(samples)

    def _iterable_batches(self, samples: Iterator[Any]) -> Iterator[Any]:
        loader = self._loader
        if loader.batch_size is None:
            for sample in samples:
                yield loader.collate_fn(sample)
            return
        while batch := list(itertools.islice(samples, loader.batch_size)):
            if len(batch) < loader.batch_size and loader.drop_last:
                return
            yield loader.collate_fn(batch)

    def __iter__(self) -> _LoaderIter:
        return self

    def __next__(self) -> Any:
        batch = next(self._batches)
        self._num_yielded += 1
        expected = self._loader._IterableDataset_len_called
        if expected is not None and self._num_yielded > expected:
            warnings.warn(
                f"Length of IterableDataset {self._loader.dataset} was reported to be {expected}"
                f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched. ",
                stacklevel=2,
            )
        if self._loader.pin_memory and rl.accelerator.is_available():
            batch = _pinned(batch, self._loader.pin_memory_device or None)
        return batch


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

    def __len__(self) -> int:
        return len(self._loader._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")


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


class _MultiProcessingDataLoaderIter(_LoaderIter):
    """The type of passes over a loader with worker processes, which programs ask for: nothing is of it."""


_BaseDataLoaderIter = _SingleProcessDataLoaderIter = _LoaderIter
