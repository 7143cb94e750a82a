"""Samplers: the order in which samples are taken. They draw from the generators exactly as PyTorch's do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import rushlight as rl
from rushlight import Tensor

__all__ = [
    "BatchSampler",
    "DistributedSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

_T_co = TypeVar("_T_co", covariant=True)


class Sampler(Generic[_T_co]):
    """Base of the samplers: a subclass has ``__iter__``, and ``__len__`` where it is known."""

    def __init__(self, data_source: Any = None) -> None:
        pass

    def __iter__(self) -> Iterator[_T_co]:
        raise NotImplementedError("Subclasses of Sampler should implement __iter__.")


class _Resumable(Sampler[int]):
    """A sampler whose passes can be taken up again: it gives indices in chunks, and knows what its generator was at the start."""

    generator: Any = None
    _start: Any = None  # of the last pass: the generator's state, or the seed of one that the sampler made
    _resume_at: int | None = None  # how many indices the next pass leaves out
    _before = 0  # indices in the chunks that are done
    _chunk: Any = None  # an iterator over the rest
    _length = 0

    def _chunks(self, generator: Any) -> Iterator[Any]:
        """Lists or ranges, which together are a pass."""
        raise NotImplementedError

    def _draws_from(self) -> Any:
        """The generator of a new pass, which is remembered as it is now."""
        if self.generator is None:
            return None
        if self._resume_at is not None and self._start is not None:
            self.generator.set_state(self._start)
        else:
            self._start = self.generator.get_state().clone()
        return self.generator

    def __iter__(self) -> Iterator[int]:
        generator = self._draws_from()
        skip, self._resume_at = self._resume_at or 0, None
        self._before = 0
        self._chunk, self._length = None, 0
        for chunk in self._chunks(generator):
            left_out = min(skip, len(chunk))
            skip -= left_out
            self._before += left_out
            self._length = len(chunk) - left_out
            self._chunk = iter(chunk[left_out:])
            yield from self._chunk
            self._before += self._length
            self._chunk, self._length = None, 0

    def state_dict(self) -> dict:
        """Where the last pass is: ``yielded`` indices after its start. A loader's state has this in it."""
        done = self._before + (self._length - self._chunk.__length_hint__() if self._chunk is not None else 0)
        generator = None if self.generator is None else self.generator.get_state().clone()
        return {"yielded": done, "start": self._start, "generator": generator, "finished": False}

    def load_state_dict(self, state_dict: dict) -> None:
        """The next pass goes on from there; after a finished one it is a new pass."""
        for key in ("yielded", "start"):
            if key not in state_dict:
                raise ValueError(f"{type(self).__name__}.load_state_dict: the state has no {key!r}")
        if state_dict.get("finished"):
            self._resume_at = None
            if self.generator is not None and state_dict.get("generator") is not None:
                self.generator.set_state(state_dict["generator"])
            return
        self._start = state_dict["start"]
        self._resume_at = state_dict["yielded"]


def is_ours(sampler: Any) -> bool:
    """Whether a sampler, with what it takes its indices from, says where it is in the form of this file."""
    if isinstance(sampler, BatchSampler):
        return type(sampler).__iter__ is BatchSampler.__iter__ and is_ours(sampler.sampler)
    return isinstance(sampler, _Resumable) and type(sampler).__iter__ is _Resumable.__iter__


class SequentialSampler(_Resumable):
    """All samples in order."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def _chunks(self, generator: Any) -> Iterator[Any]:
        yield range(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(_Resumable):
    """All samples in random order, or ``num_samples`` of them, or draws with replacement."""

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={self.num_samples}")

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def _draws_from(self) -> Any:
        """The sampler's generator; without one, a new one seeded by the default generator."""
        if self.generator is not None:
            return super()._draws_from()
        if self._resume_at is None or self._start is None:
            self._start = int(rl.empty((), dtype=rl.int64).random_().item())
        generator = rl.Generator()
        generator.manual_seed(self._start)
        return generator

    def _permutation(self) -> Tensor | None:
        """The whole order as one tensor, where it is a single permutation."""
        if self.replacement or self.num_samples != len(self.data_source):
            return None
        return rl.randperm(len(self.data_source), generator=self._draws_from())

    def _after_permutation(self) -> None:
        """At the end of a pass __iter__ draws once more, for a remainder; a generator of the user's must see it."""
        if self.generator is not None:
            rl.randperm(len(self.data_source), generator=self.generator)

    def _chunks(self, generator: Any) -> Iterator[list]:
        n = len(self.data_source)
        if self.replacement:
            for size in itertools.chain(itertools.repeat(32, self.num_samples // 32), [self.num_samples % 32]):
                yield rl.randint(high=n, size=(size,), dtype=rl.int64, generator=generator).tolist()
        else:
            for _ in range(self.num_samples // n):
                yield rl.randperm(n, generator=generator).tolist()
            yield rl.randperm(n, generator=generator).tolist()[: self.num_samples % n]

    def __len__(self) -> int:
        return self.num_samples


class _Drawn(_Resumable):
    """One chunk, drawn from the generator or, without one, from the default generator."""

    def _draws_from(self) -> Any:
        if self.generator is not None:
            return super()._draws_from()
        if self._resume_at is not None and self._start is not None:
            generator = rl.Generator()
            generator.set_state(self._start)
            return generator
        self._start = rl.get_rng_state().clone()
        return None


class SubsetRandomSampler(_Drawn):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def _chunks(self, generator: Any) -> Iterator[list]:
        yield [self.indices[i] for i in rl.randperm(len(self.indices), generator=generator).tolist()]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(_Drawn):
    """Draws with given weights."""

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator: Any = None
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = rl.as_tensor(weights, dtype=rl.float64)
        if len(self.weights.shape) != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def _chunks(self, generator: Any) -> Iterator[list]:
        yield rl.multinomial(self.weights, self.num_samples, self.replacement, generator=generator).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list]):
    """The indices of another sampler in lists of ``batch_size``.

    >>> import rushlight as torch
    >>> list(torch.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Any, batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler: Sampler | Iterable = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    _yielded = 0
    _resume_at: int | None = None
    _leave_out = 0  # indices of a sampler below that can't say where it is

    def __iter__(self) -> Iterator[list]:
        indices = iter(self.sampler)
        self._yielded, self._resume_at = self._resume_at or 0, None
        for _ in itertools.islice(indices, self._leave_out):
            pass
        self._leave_out = 0
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            self._yielded += 1
            yield batch

    def state_dict(self) -> dict:
        """How many batches of the last pass were given, and the state of the sampler below, where it has one."""
        below = getattr(self.sampler, "state_dict", None)
        return {
            "yielded": self._yielded,
            "batch_size": self.batch_size,
            "sampler": None if below is None else below(),
            "finished": False,
        }

    def load_state_dict(self, state_dict: dict) -> None:
        """The next pass goes on from there, at the same sample also if the size of the batches is another one.

        Raises ValueError if the state has one of the sampler below, and that takes none.
        """
        for key in ("yielded", "sampler"):
            if key not in state_dict:
                raise ValueError(f"BatchSampler.load_state_dict: the state has no {key!r}")
        below, done = state_dict["sampler"], state_dict["yielded"] * state_dict.get("batch_size", self.batch_size)
        self._resume_at = 0 if state_dict.get("finished") else done // self.batch_size
        self._leave_out = done if below is None and self._resume_at else 0
        if below is None:
            return
        if not hasattr(self.sampler, "load_state_dict"):
            raise ValueError(
                f"BatchSampler.load_state_dict: the state has one of a sampler, but {type(self.sampler).__name__} has no load_state_dict()"
            )
        if is_ours(self.sampler):
            below = {**below, "yielded": done, "finished": state_dict.get("finished", False)}
        self.sampler.load_state_dict(below)

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else (n + self.batch_size - 1) // self.batch_size


class DistributedSampler(_Resumable):
    """The samples of one process of many: every ``num_replicas``-th, from ``rank`` on.

    ``set_epoch`` must be called before each epoch for another order.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            raise RuntimeError("Requires distributed package to be available; pass num_replicas and rank")
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        n = len(dataset)
        if drop_last and n % num_replicas != 0:
            self.num_samples = math.ceil((n - num_replicas) / num_replicas)
        else:
            self.num_samples = math.ceil(n / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def _chunks(self, generator: Any) -> Iterator[list]:
        n = len(self.dataset)
        if self.shuffle:
            generator = rl.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = rl.randperm(n, generator=generator).tolist()
        else:
            indices = list(range(n))
        # Samples from the start fill the last round, unless it is dropped.
        while len(indices) < self.total_size:
            indices += indices[: self.total_size - len(indices)]
        yield indices[self.rank : self.total_size : self.num_replicas]

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of an epoch."""
        self.epoch = epoch

    def state_dict(self) -> dict:
        return {**super().state_dict(), "epoch": self.epoch}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        self.epoch = state_dict.get("epoch", self.epoch)
