"""Work recorded on a CUDA device."""

from . import CUDAGraph, graph, is_current_stream_capturing
from ._of_a_device import graph_pool_handle, make_graphed_callables  # type: ignore[attr-defined]

__all__ = ["CUDAGraph", "graph", "graph_pool_handle", "is_current_stream_capturing", "make_graphed_callables"]
