"""Losses. All but one are records."""

from __future__ import annotations

from collections.abc import Callable

import rushlight as rl
from rushlight import Tensor

from ._operators import records

binary_cross_entropy = records.binary_cross_entropy
binary_cross_entropy_with_logits = records.binary_cross_entropy_with_logits
cosine_embedding_loss = records.cosine_embedding_loss
cross_entropy = records.cross_entropy
ctc_loss = records.ctc_loss
gaussian_nll_loss = records.gaussian_nll_loss
hinge_embedding_loss = records.hinge_embedding_loss
huber_loss = records.huber_loss
kl_div = records.kl_div
l1_loss = records.l1_loss
margin_ranking_loss = records.margin_ranking_loss
mse_loss = records.mse_loss
multi_margin_loss = records.multi_margin_loss
multilabel_margin_loss = records.multilabel_margin_loss
multilabel_soft_margin_loss = records.multilabel_soft_margin_loss
nll_loss = records.nll_loss
poisson_nll_loss = records.poisson_nll_loss
smooth_l1_loss = records.smooth_l1_loss
soft_margin_loss = records.soft_margin_loss
triplet_margin_loss = records.triplet_margin_loss


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """triplet_margin_loss with a distance of the caller's."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have "
            f"the same number of dimensions, but got: anchor {anchor.ndim}D, "
            f"positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    distance = rl.pairwise_distance if distance_function is None else distance_function
    to_positive, to_negative = distance(anchor, positive), distance(anchor, negative)
    between = distance(positive, negative) if swap else None
    return records._triplet_of_distances(to_positive, to_negative, between, margin, reduction)
