"""Attention whose scores a function changes, and whose places a function masks: computed as it is written, all scores at once.

Functions get the numbers of batch, head, query and key as tensors that broadcast with the scores.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import rushlight

from ... import _missing
from ..._C import Tensor

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "and_masks", "create_block_mask", "create_mask", "flex_attention", "noop_mask", "or_masks",
]  # fmt: skip

_DEFAULT_SPARSE_BLOCK_SIZE = 128
_mask_mod_signature = _score_mod_signature = Callable


class AuxRequest(NamedTuple):
    """What flex_attention gives besides its result."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """The logarithm of the summed exponentials of the scores, and their largest, for each query."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """True everywhere."""
    return batch.new_ones((), dtype=rushlight.bool)


def _combined(name: str, combine: Callable, start: bool) -> Callable:
    def masks(*mask_mods: Callable) -> Callable:
        if not all(callable(m) for m in mask_mods):
            raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

        def mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
            result = b.new_full((), start, dtype=rushlight.bool)
            for mod in mask_mods:
                result = combine(result, mod(b, h, q_idx, kv_idx))
            return result

        return mask

    masks.__name__ = masks.__qualname__ = name
    return masks


and_masks = _combined("and_masks", lambda a, b: a & b, True)
and_masks.__doc__ = "The mask function that is true where all of these are."
or_masks = _combined("or_masks", lambda a, b: a | b, False)
or_masks.__doc__ = "The mask function that is true where one of these is."


def _places(sizes: tuple[int, int, int, int], device: Any) -> list[Tensor]:
    out = []
    for dim, size in enumerate(sizes):
        shape = [1] * 4
        shape[dim] = size
        out.append(rushlight.arange(size, device=device).view(shape))
    return out


def create_mask(mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = "cpu") -> Tensor:  # noqa: N803
    """The values of a mask function as a bool tensor (B, H, Q_LEN, KV_LEN); of a score function, where it leaves scores above -inf."""
    import inspect

    sizes = (B or 1, H or 1, Q_LEN, KV_LEN)
    places = _places(sizes, device)
    if len(inspect.signature(mod_fn).parameters) == 5:
        score = mod_fn(rushlight.zeros(sizes, device=device), *places)
        return (score != -math.inf).expand(sizes).contiguous()
    return mod_fn(*places).to(rushlight.bool).expand(sizes).contiguous()


class BlockMask:
    """A mask function, and which blocks of queries and keys have something to attend to."""

    def __init__(
        self, seq_lengths: tuple[int, int], blocks: Tensor, block_size: tuple[int, int], mask_mod: Callable
    ) -> None:
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, block_size, mask_mod
        self._blocks = blocks

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self._blocks.shape[:-2], *self.seq_lengths)

    @property
    def kv_num_blocks(self) -> Tensor:
        """For each block of queries, the number of blocks of keys that it attends to."""
        return self._blocks.sum(-1).to(rushlight.int32)

    @property
    def kv_indices(self) -> Tensor:
        """For each block of queries, the blocks of keys, those that it attends to first."""
        return self._blocks.to(rushlight.int32).argsort(dim=-1, descending=True, stable=True).to(rushlight.int32)

    def to_dense(self) -> Tensor:
        """1 for each block that has something to attend to, else 0."""
        return self._blocks.to(rushlight.int32)

    def numel(self) -> int:
        """The number of scores."""
        return math.prod(self.shape)

    def sparsity(self) -> float:
        """How many of a hundred blocks have nothing to attend to."""
        return 100 * (1 - self._blocks.float().mean().item())

    def to(self, device: Any) -> BlockMask:
        """The same on a device."""
        return BlockMask(self.seq_lengths, self._blocks.to(device), self.BLOCK_SIZE, self.mask_mod)

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(
    mask_mod: Callable,
    B: int | None,  # noqa: N803
    H: int | None,  # noqa: N803
    Q_LEN: int,  # noqa: N803
    KV_LEN: int,  # noqa: N803
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,  # noqa: N803
    **_: Any,
) -> BlockMask:
    """The BlockMask of a mask function (b, h, q_idx, kv_idx) -> bool."""
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else tuple(BLOCK_SIZE)
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device or rushlight.get_default_device())
    rows, columns = -(-Q_LEN // size[0]), -(-KV_LEN // size[1])
    padded = rushlight.nn.functional.pad(mask, (0, columns * size[1] - KV_LEN, 0, rows * size[0] - Q_LEN))
    blocks = padded.view(*mask.shape[:2], rows, size[0], columns, size[1]).any(5).any(3)
    return BlockMask((Q_LEN, KV_LEN), blocks, size, mask_mod)


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """softmax(score_mod(query @ key^T * scale)) @ value, with queries (B, Hq, L, E), keys (B, Hkv, S, E) and values (B, Hkv, S, Ev).

    Args:
        score_mod: (score, b, h, q_idx, kv_idx) -> score.
        block_mask: what create_block_mask() made; masked places count for nothing, and queries without any give zeros.
        scale: default 1 / sqrt(E).
        enable_gqa: Hq may be a multiple of Hkv; each head of keys serves as many neighbouring ones of queries.
        return_lse: also the logarithm of the summed exponentials of the scores, (B, Hq, L).
    """
    for name, t in (("query", query), ("key", key), ("value", value)):
        if t.dim() != 4:
            raise ValueError(f"flex_attention: expected {name} of 4 dimensions, got {tuple(t.shape)}")
    if query.size(-3) != key.size(-3) and not enable_gqa:
        raise ValueError(
            f"Expect query and key/value to have the same number of heads but got Hq={query.size(-3)} and Hkv={key.size(-3)}. "
            "Try setting enable_gqa=True for GQA."
        )
    if query.size(-3) != key.size(-3):
        times, rest = divmod(query.size(-3), key.size(-3))
        if rest:
            raise ValueError(
                f"Expect number of query heads to be a multiple of kv heads for GQA but got Hq={query.size(-3)} and Hkv={key.size(-3)}."
            )
        key, value = (t.repeat_interleave(times, dim=-3) for t in (key, value))
    scores = (query @ key.transpose(-2, -1)).float() * (query.size(-1) ** -0.5 if scale is None else scale)
    places = _places(tuple(scores.shape), scores.device)  # type: ignore[arg-type]
    if score_mod is not None:
        scores = score_mod(scores, *places)
    if block_mask is not None:
        scores = scores.masked_fill(~block_mask.mask_mod(*places).to(rushlight.bool), -math.inf)
    largest = scores.amax(-1, keepdim=True)
    weights = (scores - largest.masked_fill(largest == -math.inf, 0)).exp()
    sums = weights.sum(-1, keepdim=True)
    out = (weights / sums.masked_fill(sums == 0, 1)).to(value.dtype) @ value
    if not return_lse and return_aux is None:
        return out
    lse = (sums.log() + largest).squeeze(-1)
    if return_aux is None:
        return out, lse
    return out, AuxOutput(lse if return_aux.lse else None, largest.squeeze(-1) if return_aux.max_scores else None)


__getattr__ = _missing.getattr_of(__name__)
