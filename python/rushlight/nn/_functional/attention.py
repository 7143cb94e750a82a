"""Multi-head attention."""

from __future__ import annotations

import warnings
from typing import Any

from rushlight import Tensor

from ._operators import operator, records

scaled_dot_product_attention = operator("scaled_dot_product_attention")
multi_head_attention_forward = records.multi_head_attention_forward


def _canonical_mask(
    mask: Tensor | None,
    mask_name: str,
    other_type: Any,
    other_name: str,
    target_type: Any,
    check_other: bool = True,
) -> Tensor | None:
    """The mask as numbers to add: a boolean True becomes -inf."""
    if mask is None:
        return None
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    return records._attention_mask(mask, mask_name, target_type)


def _none_or_dtype(input: Tensor | None) -> Any:
    return None if input is None else input.dtype
