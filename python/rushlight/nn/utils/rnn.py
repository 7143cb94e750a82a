"""Sequences of different lengths: padded into one tensor, or packed for recurrent networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import rushlight as rl
from rushlight import Tensor

__all__ = [
    "PackedSequence",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpad_sequence",
    "unpack_sequence",
]


class _PackedFields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_PackedFields):
    """Sequences packed step by step: ``data`` holds the first elements of all, then the second, and so on.

    ``batch_sizes`` counts the sequences that reach each step. ``sorted_indices`` is the order of falling length, and
    ``unsorted_indices`` its inverse; both are None if the sequences came in that order.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be created manually."
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequences moved or cast, as Tensor.to does."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self

        def moved(t: Tensor | None) -> Tensor | None:
            return None if t is None else t.to(data.device)

        return PackedSequence(data, self.batch_sizes, moved(self.sorted_indices), moved(self.unsorted_indices))

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self.to(*args, device=rl.device("cpu"), **kwargs)

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        return self.to(self.data.new_empty(0).cuda(*args, **kwargs).device)

    def pin_memory(self) -> PackedSequence:
        parts = (None if t is None else t.pin_memory() for t in self)
        return type(self)(*parts)  # type: ignore[arg-type]

    def is_pinned(self) -> bool:
        return self.data.is_pinned()

    @property
    def is_cuda(self) -> bool:
        return self.data.device.type == "cuda"

    def bfloat16(self) -> PackedSequence:
        return self.to(dtype=rl.bfloat16)

    def byte(self) -> PackedSequence:
        return self.to(dtype=rl.uint8)

    def char(self) -> PackedSequence:
        return self.to(dtype=rl.int8)

    def double(self) -> PackedSequence:
        return self.to(dtype=rl.float64)

    def float(self) -> PackedSequence:
        return self.to(dtype=rl.float32)

    def half(self) -> PackedSequence:
        return self.to(dtype=rl.float16)

    def int(self) -> PackedSequence:
        return self.to(dtype=rl.int32)

    def long(self) -> PackedSequence:
        return self.to(dtype=rl.int64)

    def short(self) -> PackedSequence:
        return self.to(dtype=rl.int16)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    if permutation is None:
        return None
    inverse = rl.empty_like(permutation, memory_format=rl.contiguous_format)
    steps = rl.arange(0, permutation.numel(), dtype=permutation.dtype, device=permutation.device)
    return inverse.scatter_(0, permutation, steps)


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | list[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs padded sequences ``(T, B, *)``, or ``(B, T, *)`` with ``batch_first``."""
    if isinstance(lengths, Tensor):
        counts = lengths.to(dtype=rl.int64)
    else:
        counts = rl.as_tensor(lengths, dtype=rl.int64, device="cpu")
    sorted_indices: Tensor | None = None
    if not enforce_sorted:
        counts, order = rl.sort(counts, descending=True)
        sorted_indices = order.to(input.device)
        input = input.index_select(0 if batch_first else 1, order.to(input.device))
    data, batch_sizes = rl._pack_padded_sequence(input, counts, batch_first)
    return PackedSequence(data, batch_sizes, sorted_indices, invert_permutation(sorted_indices))


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Padded sequences ``(T, B, *)`` and their lengths, from packed ones."""
    longest = sequence.batch_sizes.size(0)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, "
                f"but got total_length={total_length} and max sequence length being {longest}"
            )
        longest = total_length
    padded, lengths = rl._pad_packed_sequence(sequence.data, sequence.batch_sizes, batch_first, padding_value, longest)
    order = sequence.unsorted_indices
    if order is not None:
        return padded.index_select(0 if batch_first else 1, order), lengths[order.cpu()]
    return padded, lengths


def pad_sequence(
    sequences: Tensor | list[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stacks sequences of different lengths, padded with ``padding_value``.

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.ones(2), torch.ones(1)], batch_first=True)
    tensor([[1., 1.],
            [1., 0.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    items = list(sequences.unbind(0)) if isinstance(sequences, Tensor) else list(sequences)
    if not items:
        raise RuntimeError("received an empty list of sequences")
    longest = max(s.size(0) for s in items)
    rows = []
    for s in items:
        missing = longest - s.size(0)
        if missing:
            filler = s.new_full((missing, *s.shape[1:]), padding_value)
            s = rl.cat([s, filler] if padding_side == "right" else [filler, s])
        rows.append(s)
    return rl.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences that pad_sequence padded."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [s[:n] for s, n in zip(padded_sequences, lengths.tolist(), strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences of different lengths."""
    lengths = rl.tensor([s.size(0) for s in sequences], dtype=rl.int64)
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that pack_sequence packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
