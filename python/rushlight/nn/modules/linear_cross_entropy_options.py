"""How linear_cross_entropy goes through its batch in pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["LinearCrossEntropyOptions"]


@dataclass
class LinearCrossEntropyOptions:
    """Asks linear_cross_entropy to go through the batch in pieces, so that not all logits are in memory at once.

    Args:
        allow_retain_graph: kept for programs that set it: a second backward always works here.
        batch_chunk_size: samples a piece. None: so many that a piece's logits take what its inputs take.
        chunking_method: ``"auto"``, or ``"aspect_ratio:k"`` for pieces k times as large.
        acc_policy, acc_dtype: the weight's gradient is summed in ``acc_dtype``; by default float32 for half types unless
            the policy is ``"compact"``.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: Literal["accurate", "balanced", "compact", "auto"] = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.batch_chunk_size is not None and self.batch_chunk_size < 1:
            raise ValueError(f"batch_chunk_size must be positive, got {self.batch_chunk_size}")
        if self.acc_policy not in ("accurate", "balanced", "compact", "auto"):
            raise ValueError(f"acc_policy must be 'accurate', 'balanced', 'compact' or 'auto', got {self.acc_policy!r}")
        self._ratio()

    def _ratio(self) -> float:
        method = self.chunking_method
        if method is None or method == "auto":
            return 1.0
        kind, _, number = method.partition(":")
        try:
            ratio = float(number) if kind == "aspect_ratio" else 0.0
        except ValueError:
            ratio = 0.0
        if not (math.isfinite(ratio) and ratio > 0):
            raise ValueError(f"chunking_method must be 'auto' or 'aspect_ratio:NUMBER', got {method!r}")
        return ratio

    def _chunk_size(self, batch: int, features: int, classes: int) -> int:
        if self.batch_chunk_size is not None:
            return self.batch_chunk_size
        return max(1, min(batch, math.ceil(self._ratio() * batch * features / max(1, classes))))
