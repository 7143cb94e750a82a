"""Linear maps, embeddings, normalisation and distances."""

from __future__ import annotations

import rushlight as rl
from rushlight import Tensor

from ._operators import operator, records

linear = operator("linear")
bilinear = operator("bilinear")
one_hot = operator("one_hot")
cosine_similarity = operator("cosine_similarity")
pairwise_distance = operator("pairwise_distance")
pdist = operator("pdist")
batch_norm = records.batch_norm
embedding = records.embedding
embedding_bag = records.embedding_bag
group_norm = records.group_norm
instance_norm = records.instance_norm
local_response_norm = records.local_response_norm
normalize = records.normalize


def layer_norm(
    input: Tensor,
    normalized_shape: list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalises over the last dimensions, whose sizes are ``normalized_shape``."""
    return rl.layer_norm(input, normalized_shape, weight, bias, eps, True)


def rms_norm(
    input: Tensor, normalized_shape: list[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divides by the root mean square over the last dimensions."""
    return rl.rms_norm(input, normalized_shape, weight, eps)
