"""The pipes that are walked."""

from __future__ import annotations

import functools
import os
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from fnmatch import fnmatch
from typing import Any

import rushlight as rl

from .._collate import default_collate
from ._base import DataChunk, IterDataPipe, functional_datapipe

__all__ = [
    "Batcher",
    "Collator",
    "Concater",
    "Demultiplexer",
    "FileLister",
    "FileOpener",
    "Filter",
    "Forker",
    "Grouper",
    "IterableWrapper",
    "Mapper",
    "Multiplexer",
    "Sampler",
    "ShardingFilter",
    "Shuffler",
    "StreamReader",
    "UnBatcher",
    "Zipper",
]


class IterableWrapper(IterDataPipe):
    """A pipe of an iterable's items; by default of a copy of the iterable."""

    def __init__(self, iterable: Iterable[Any], deepcopy: bool = True) -> None:
        self.iterable = iterable
        self.deepcopy = deepcopy

    def __iter__(self) -> Iterator[Any]:
        source = self.iterable
        if self.deepcopy:
            try:
                source = deepcopy(self.iterable)
            except TypeError:  # a generator, a file
                pass
        yield from source

    def __len__(self) -> int:
        return len(self.iterable)  # type: ignore[arg-type]


@functional_datapipe("map")
class Mapper(IterDataPipe):
    """Applies a function to each item, or to its column ``input_col``, and writes to ``output_col``."""

    def __init__(self, datapipe: IterDataPipe, fn: Callable, input_col: Any = None, output_col: Any = None) -> None:
        if input_col is None and output_col is not None:
            raise ValueError("`output_col` must be None when `input_col` is None.")
        if isinstance(output_col, (list, tuple)):
            if len(output_col) > 1:
                raise ValueError("`output_col` must be a single-element list or tuple")
            output_col = output_col[0]
        self.datapipe, self.fn, self.input_col, self.output_col = datapipe, fn, input_col, output_col

    def _apply(self, item: Any) -> Any:
        if self.input_col is None:
            return self.fn(item)
        columns = self.input_col if isinstance(self.input_col, (list, tuple)) else [self.input_col]
        value = self.fn(*(item[c] for c in columns))
        was_tuple = isinstance(item, tuple)
        item = list(item) if was_tuple else item.copy()
        if self.output_col is None:
            item[columns[0]] = value
            for c in sorted(columns[1:], reverse=True):
                del item[c]
        elif self.output_col == -1:
            item.append(value)
        else:
            item[self.output_col] = value
        return tuple(item) if was_tuple else item

    def __iter__(self) -> Iterator[Any]:
        for item in self.datapipe:
            yield self._apply(item)

    def __len__(self) -> int:
        return len(self.datapipe)  # type: ignore[arg-type]


@functional_datapipe("collate")
class Collator(Mapper):
    """Makes tensors of each item, by ``default_collate`` or a function of one's own."""

    def __init__(self, datapipe: IterDataPipe, conversion: Any = None, collate_fn: Callable | None = None) -> None:
        if conversion is not None and not callable(conversion):
            raise TypeError("Collator: conversions of data frames are not supported; give a function")
        super().__init__(datapipe, fn=collate_fn or conversion or default_collate)


@functional_datapipe("filter")
class Filter(IterDataPipe):
    """Keeps the items of which a function is true."""

    def __init__(self, datapipe: IterDataPipe, filter_fn: Callable, input_col: Any = None) -> None:
        self.datapipe, self.filter_fn, self.input_col = datapipe, filter_fn, input_col

    def __iter__(self) -> Iterator[Any]:
        for item in self.datapipe:
            if self.input_col is None:
                keep = self.filter_fn(item)
            elif isinstance(self.input_col, (list, tuple)):
                keep = self.filter_fn(*(item[c] for c in self.input_col))
            else:
                keep = self.filter_fn(item[self.input_col])
            if not isinstance(keep, bool):
                raise ValueError(f"Boolean output is required for `filter_fn` of FilterIterDataPipe, got {type(keep)}")
            if keep:
                yield item


@functional_datapipe("batch")
class Batcher(IterDataPipe):
    """Lists of ``batch_size`` items; the last may be shorter unless ``drop_last``."""

    def __init__(
        self, datapipe: IterDataPipe, batch_size: int, drop_last: bool = False, wrapper_class: type = DataChunk
    ) -> None:
        if batch_size <= 0:
            raise AssertionError("Batch size is required to be larger than 0!")
        self.datapipe, self.batch_size, self.drop_last, self.wrapper_class = (
            datapipe,
            batch_size,
            drop_last,
            wrapper_class,
        )

    def __iter__(self) -> Iterator[Any]:
        batch: list[Any] = []
        for item in self.datapipe:
            batch.append(item)
            if len(batch) == self.batch_size:
                yield self.wrapper_class(batch)
                batch = []
        if batch and not self.drop_last:
            yield self.wrapper_class(batch)

    def __len__(self) -> int:
        n = len(self.datapipe)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


@functional_datapipe("unbatch")
class UnBatcher(IterDataPipe):
    """The items of lists, ``unbatch_level`` deep; -1: all levels."""

    def __init__(self, datapipe: IterDataPipe, unbatch_level: int = 1) -> None:
        if unbatch_level < -1:
            raise ValueError("unbatch_level must be -1 or >= 0")
        self.datapipe, self.unbatch_level = datapipe, unbatch_level

    def _open(self, item: Any, level: int) -> Iterator[Any]:
        if level == 0 or (level < 0 and not isinstance(item, (list, DataChunk))):
            yield item
        elif isinstance(item, (list, DataChunk)):
            for inner in item:
                yield from self._open(inner, level - 1 if level > 0 else level)
        else:
            raise IndexError(f"unbatch_level {self.unbatch_level} exceeds the depth of the DataPipe")

    def __iter__(self) -> Iterator[Any]:
        for item in self.datapipe:
            yield from self._open(item, self.unbatch_level)


@functional_datapipe("groupby")
class Grouper(IterDataPipe):
    """Lists of items of one key: full ones of ``group_size`` at once, the rest at the end."""

    def __init__(
        self,
        datapipe: IterDataPipe,
        group_key_fn: Callable,
        *,
        keep_key: bool = False,
        buffer_size: int = 10000,
        group_size: int | None = None,
        guaranteed_group_size: int | None = None,
        drop_remaining: bool = False,
    ) -> None:
        self.datapipe, self.group_key_fn, self.keep_key = datapipe, group_key_fn, keep_key
        self.buffer_size, self.group_size, self.drop_remaining = buffer_size, group_size, drop_remaining
        self.guaranteed_group_size = guaranteed_group_size if guaranteed_group_size is not None else group_size

    def __iter__(self) -> Iterator[Any]:
        groups: dict[Any, list[Any]] = {}
        held = 0

        def given(key: Any, group: list[Any]) -> Any:
            return (key, DataChunk(group)) if self.keep_key else DataChunk(group)

        for item in self.datapipe:
            key = self.group_key_fn(item)
            group = groups.setdefault(key, [])
            group.append(item)
            held += 1
            if len(group) == self.group_size:
                held -= len(group)
                yield given(key, groups.pop(key))
            elif held == self.buffer_size:
                key = max(groups, key=lambda k: len(groups[k]))
                group = groups.pop(key)
                held -= len(group)
                if (
                    self.guaranteed_group_size is not None
                    and len(group) < self.guaranteed_group_size
                    and not self.drop_remaining
                ):
                    raise RuntimeError(
                        f"Failed to group items: the buffer is full and no group has {self.guaranteed_group_size}"
                    )
                if self.guaranteed_group_size is None or len(group) >= self.guaranteed_group_size:
                    yield given(key, group)
        for key, group in groups.items():
            yield given(key, group)


@functional_datapipe("shuffle")
class Shuffler(IterDataPipe):
    """Items in random order, from a buffer of ``buffer_size``."""

    def __init__(self, datapipe: IterDataPipe, *, buffer_size: int = 10000, unbatch_level: int = 0) -> None:
        if buffer_size <= 0:
            raise ValueError("buffer_size should be larger than 0")
        self.datapipe = datapipe if unbatch_level == 0 else datapipe.unbatch(unbatch_level=unbatch_level)
        self.buffer_size = buffer_size
        self._enabled, self._seed = True, None

    def set_shuffle(self, shuffle: bool = True) -> Shuffler:
        self._enabled = shuffle
        return self

    def set_seed(self, seed: int) -> Shuffler:
        self._seed = seed
        return self

    def __iter__(self) -> Iterator[Any]:
        if not self._enabled:
            yield from self.datapipe
            return
        seed = int(rl.empty((), dtype=rl.int64).random_().item()) if self._seed is None else self._seed
        self._seed = None
        draw = random.Random(seed)
        buffer: list[Any] = []
        for item in self.datapipe:
            if len(buffer) == self.buffer_size:
                at = draw.randint(0, len(buffer) - 1)
                item, buffer[at] = buffer[at], item
                yield item
            else:
                buffer.append(item)
        draw.shuffle(buffer)
        while buffer:
            yield buffer.pop(0)

    def __len__(self) -> int:
        return len(self.datapipe)  # type: ignore[arg-type]


@functional_datapipe("concat")
class Concater(IterDataPipe):
    """One pipe after the other."""

    def __init__(self, *datapipes: IterDataPipe) -> None:
        if len(datapipes) == 0:
            raise ValueError("Expected at least one DataPipe, but got nothing")
        self.datapipes = datapipes

    def __iter__(self) -> Iterator[Any]:
        for pipe in self.datapipes:
            yield from pipe

    def __len__(self) -> int:
        return sum(len(p) for p in self.datapipes)  # type: ignore[arg-type]


@functional_datapipe("zip")
class Zipper(IterDataPipe):
    """Tuples of an item of each pipe, until one ends."""

    def __init__(self, *datapipes: IterDataPipe) -> None:
        self.datapipes = datapipes

    def __iter__(self) -> Iterator[Any]:
        yield from zip(*self.datapipes)

    def __len__(self) -> int:
        return min(len(p) for p in self.datapipes)  # type: ignore[arg-type]


@functional_datapipe("mux")
class Multiplexer(IterDataPipe):
    """An item of each pipe in turn, until one ends."""

    def __init__(self, *datapipes: IterDataPipe) -> None:
        self.datapipes = datapipes

    def __iter__(self) -> Iterator[Any]:
        for items in zip(*self.datapipes):
            yield from items

    def __len__(self) -> int:
        return min(len(p) for p in self.datapipes) * len(self.datapipes)  # type: ignore[arg-type]


class _Shared:
    """What the children of one pipe share: its walk, and what each has not taken yet."""

    def __init__(self, pipe: Any, count: int, buffer_size: int, route: Callable) -> None:
        if count < 1:
            raise ValueError(f"Expected `num_instances` larger than 0, but {count} is found")
        self.pipe, self.count, self.buffer_size, self.route = pipe, count, buffer_size, route
        self.waiting: list[deque] = [deque() for _ in range(count)]
        self.source: Any = None

    def __getstate__(self) -> dict:  # a walk doesn't go with it
        return {**vars(self), "waiting": [deque() for _ in range(self.count)], "source": None}

    def restart(self) -> None:
        self.source = iter(self.pipe)
        for queue in self.waiting:
            queue.clear()

    def walk(self, number: int) -> Iterator[Any]:
        while True:
            if self.waiting[number]:
                yield self.waiting[number].popleft()
                continue
            try:
                item = next(self.source)
            except StopIteration:
                return
            for i in self.route(item):
                self.waiting[i].append(item)
            if 0 <= self.buffer_size < sum(map(len, self.waiting)) - len(self.waiting[number]):
                raise BufferError(
                    f"DataPipe buffer overflow, buffer size {self.buffer_size} is insufficient: the children are walked at "
                    "different speed; give a larger buffer_size, or -1"
                )


class _Child(IterDataPipe):
    def __init__(self, shared: _Shared, number: int) -> None:
        self.shared, self.number = shared, number
        self._started = False

    def reset(self) -> None:
        shared = self.shared
        # The first child that starts again, or the first of all, starts the walk.
        if shared.source is None or self._started:
            shared.restart()
        self._started = True

    def __iter__(self) -> Iterator[Any]:
        yield from self.shared.walk(self.number)

    def __len__(self) -> int:
        return len(self.shared.pipe)


def _to_each(count: int, item: Any) -> range:
    return range(count)


def _to_one(classifier: Callable, count: int, drop_none: bool, item: Any) -> list[int]:
    place = classifier(item)
    if place is None and drop_none:
        return []
    if place is None or not 0 <= place < count:
        raise ValueError(f"Output of the classification fn should be between 0 and {count - 1}. {place} is returned.")
    return [place]


class Forker(IterDataPipe):
    """The same pipe several times; items wait until each has had them."""

    def __new__(
        cls, datapipe: IterDataPipe, num_instances: int, buffer_size: int = 1000, copy: str | None = None
    ) -> Any:
        shared = _Shared(datapipe, num_instances, buffer_size, functools.partial(_to_each, num_instances))
        return [_Child(shared, i) for i in range(num_instances)]


class Demultiplexer(IterDataPipe):
    """Several pipes, to which a function of the items says where each goes; None needs ``drop_none``."""

    def __new__(
        cls,
        datapipe: IterDataPipe,
        num_instances: int,
        classifier_fn: Callable,
        drop_none: bool = False,
        buffer_size: int = 1000,
    ) -> Any:
        route = functools.partial(_to_one, classifier_fn, num_instances, drop_none)
        shared = _Shared(datapipe, num_instances, buffer_size, route)
        return [_Child(shared, i) for i in range(num_instances)]


IterDataPipe.register_function("fork", lambda source, *args, **kwargs: Forker(source, *args, **kwargs))
IterDataPipe.register_function("demux", lambda source, *args, **kwargs: Demultiplexer(source, *args, **kwargs))


class Sampler(IterDataPipe):
    """The items of a pipe that can be indexed, in the order of a sampler."""

    def __init__(
        self, datapipe: Any, sampler: Any = None, sampler_args: tuple = (), sampler_kwargs: dict | None = None
    ) -> None:
        from ..sampler import SequentialSampler

        self.datapipe = datapipe
        self.sampler = (sampler or SequentialSampler)(*sampler_args, data_source=datapipe, **(sampler_kwargs or {}))

    def __iter__(self) -> Iterator[Any]:
        yield from self.sampler

    def __len__(self) -> int:
        return len(self.sampler)


@functional_datapipe("sharding_filter")
class ShardingFilter(IterDataPipe):
    """Each worker's share of the items, once `apply_sharding` said which it is."""

    def __init__(self, source_datapipe: IterDataPipe, sharding_group_filter: Any = None) -> None:
        self.source_datapipe = source_datapipe
        self.num_of_instances, self.instance_id = 1, 0

    def apply_sharding(self, num_of_instances: int, instance_id: int, sharding_group: Any = None) -> None:
        if instance_id >= num_of_instances:
            raise ValueError(f"instance_id({instance_id}) should be smaller than num_of_instances({num_of_instances})")
        self.num_of_instances, self.instance_id = num_of_instances, instance_id

    def __iter__(self) -> Iterator[Any]:
        for i, item in enumerate(self.source_datapipe):
            if i % self.num_of_instances == self.instance_id:
                yield item

    def __len__(self) -> int:
        n = len(self.source_datapipe)  # type: ignore[arg-type]
        return n // self.num_of_instances + (self.instance_id < n % self.num_of_instances)


@functional_datapipe("list_files")
class FileLister(IterDataPipe):
    """The paths of the files in folders, sorted, whose names fit one of the masks."""

    def __init__(
        self, root: Any = ".", masks: Any = "", *, recursive: bool = False, abspath: bool = False, **options: Any
    ) -> None:
        self.roots = IterableWrapper([root]) if isinstance(root, str) else root
        if not isinstance(self.roots, IterDataPipe):
            self.roots = IterableWrapper(self.roots)
        self.masks = [masks] if isinstance(masks, str) else list(masks)
        self.recursive, self.abspath = recursive, abspath

    def __iter__(self) -> Iterator[str]:
        for root in self.roots:
            for folder, folders, names in os.walk(root):
                folders.sort()
                for name in sorted(names):
                    if self.masks == [""] or any(fnmatch(name, m) for m in self.masks):
                        path = os.path.join(folder, name)
                        yield os.path.abspath(path) if self.abspath else path
                if not self.recursive:
                    break


@functional_datapipe("open_files")
class FileOpener(IterDataPipe):
    """Pairs of a path and the opened file."""

    def __init__(self, datapipe: Iterable[str], mode: str = "r", encoding: str | None = None, length: int = -1) -> None:
        if mode not in ("b", "t", "rb", "rt", "r"):
            raise ValueError(f"Invalid mode {mode}")
        if "b" in mode and encoding is not None:
            raise ValueError("binary mode doesn't take an encoding argument")
        self.datapipe, self.encoding = datapipe, encoding
        self.mode = mode if "r" in mode else "r" + mode

    def __iter__(self) -> Iterator[Any]:
        for path in self.datapipe:
            yield path, open(path, self.mode, encoding=self.encoding)


@functional_datapipe("read_from_stream")
class StreamReader(IterDataPipe):
    """Pairs of a path and the file's content, in pieces of ``chunk`` if that is given."""

    def __init__(self, datapipe: IterDataPipe, chunk: int | None = None) -> None:
        self.datapipe, self.chunk = datapipe, chunk

    def __iter__(self) -> Iterator[Any]:
        for path, stream in self.datapipe:
            while data := stream.read(self.chunk):
                yield path, data
                if self.chunk is None:
                    break
            stream.close()
