"""Tokenisers as functions, and reading texts."""

from .functional import (
    custom_replace,
    numericalize_tokens_from_iterator,
    simple_space_split,
    to_map_style_dataset,
)
from .samplers import BucketBatchSampler
from .utils import get_tokenizer, interleave_keys, ngrams_iterator

__all__ = [
    "BucketBatchSampler",
    "custom_replace",
    "get_tokenizer",
    "interleave_keys",
    "ngrams_iterator",
    "numericalize_tokens_from_iterator",
    "simple_space_split",
    "to_map_style_dataset",
]
