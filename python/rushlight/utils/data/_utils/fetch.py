"""Reading samples, by PyTorch's names."""

from .._fetch import Fetcher as _MapDatasetFetcher
from .._fetch import IterableFetcher as _IterableDatasetFetcher

__all__ = ["_IterableDatasetFetcher", "_MapDatasetFetcher"]
