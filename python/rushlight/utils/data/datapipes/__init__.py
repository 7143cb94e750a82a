"""Pipes of data: datasets made of datasets, chained by methods such as ``.map(f).batch(4)``."""

from . import iter, map
from ._base import DataChunk, DFIterDataPipe, IterDataPipe, MapDataPipe, functional_datapipe

__all__ = ["DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe", "functional_datapipe", "iter", "map"]
