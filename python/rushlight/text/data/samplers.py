"""Batches of samples of like length, which need little padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import rushlight as rl

from ...utils.data import Sampler

__all__ = ["BucketBatchSampler"]


class BucketBatchSampler(Sampler[list]):
    """Batches of samples of like length, for ``DataLoader(batch_sampler=...)``: a new order on each pass.

    The samples are shuffled, taken in buckets of ``bucket_batches`` batches, sorted within a bucket, and the batches shuffled.

    Args:
        lengths: of the samples.
        batch_size: samples in a batch.
        max_tokens: also ends a batch before its longest sample times its size is more than so many; a longer sample is alone.
        drop_last: leave out the last batch of a bucket if it is not full.
        shuffle: False: by length only, the same on each pass.
        generator: where orders are drawn from.

    It has ``state_dict`` and ``load_state_dict``, so a DataLoader goes on in the middle of a pass.

    >>> import rushlight as torch
    >>> batches = BucketBatchSampler([5, 1, 4, 2, 6, 3], batch_size=2, shuffle=False)
    >>> list(batches)
    [[1, 3], [5, 2], [0, 4]]
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        *,
        max_tokens: int | None = None,
        bucket_batches: int = 100,
        drop_last: bool = False,
        shuffle: bool = True,
        generator: Any = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("bucket_batches", bucket_batches), ("max_tokens", max_tokens)):
            if (value is None and name != "max_tokens") or (
                value is not None and (type(value) is not int or value <= 0)
            ):
                raise ValueError(f"BucketBatchSampler: {name} should be a positive integer value, but got {value!r}")
        self.lengths = [int(n) for n in lengths]
        self.batch_size, self.max_tokens, self.bucket_batches = batch_size, max_tokens, bucket_batches
        self.drop_last, self.shuffle, self.generator = drop_last, shuffle, generator
        self._start: Any = None
        self._yielded = self._leave_out = 0

    def _draws_from(self) -> Any:
        """The generator of a pass: the sampler's own, or one that is seeded by the default generator."""
        if self.generator is not None:
            if self._leave_out and self._start is not None:
                self.generator.set_state(self._start)
            self._start = self.generator.get_state().clone()
            return self.generator
        if not (self._leave_out and self._start is not None):
            self._start = int(rl.empty((), dtype=rl.int64).random_().item())
        generator = rl.Generator()
        generator.manual_seed(self._start)
        return generator

    def _batches(self, generator: Any) -> Iterator[list[int]]:
        lengths, n = self.lengths, len(self.lengths)
        order = rl.randperm(n, generator=generator).tolist() if self.shuffle else list(range(n))
        step = self.batch_size * self.bucket_batches if self.shuffle else max(1, n)
        for start in range(0, n, step):
            bucket = sorted(order[start : start + step], key=lengths.__getitem__)
            batches = list(self._cut(bucket))
            if self.shuffle:
                batches = [batches[i] for i in rl.randperm(len(batches), generator=generator).tolist()]
            yield from batches

    def _cut(self, bucket: list[int]) -> Iterator[list[int]]:
        batch: list[int] = []
        for i in bucket:  # ascending, so the next is the longest
            full = len(batch) == self.batch_size
            if batch and (
                full or (self.max_tokens is not None and self.lengths[i] * (len(batch) + 1) > self.max_tokens)
            ):
                yield batch
                batch = []
            batch.append(i)
        if batch and not (self.drop_last and len(batch) < self.batch_size):
            yield batch

    def __iter__(self) -> Iterator[list[int]]:
        generator = self._draws_from() if self.shuffle else None
        leave_out, self._leave_out = self._leave_out, 0
        self._yielded = 0
        for batch in self._batches(generator):
            self._yielded += 1
            if self._yielded > leave_out:
                yield batch

    def __len__(self) -> int:
        """Without max_tokens exact, with it as many as the samples in order of length make."""
        if self.max_tokens is not None:
            return sum(1 for _ in self._cut(sorted(range(len(self.lengths)), key=self.lengths.__getitem__)))
        step = self.batch_size * self.bucket_batches if self.shuffle else max(1, len(self.lengths))
        sizes = [min(step, len(self.lengths) - start) for start in range(0, len(self.lengths), step)]
        return sum(size // self.batch_size if self.drop_last else -(-size // self.batch_size) for size in sizes)

    def state_dict(self) -> dict:
        """How many batches of the last pass were given, and from where its order was drawn."""
        return {"yielded": self._yielded, "start": self._start}

    def load_state_dict(self, state_dict: dict) -> None:
        """The next pass goes on from there."""
        self._leave_out, self._start = state_dict["yielded"], state_dict["start"]
