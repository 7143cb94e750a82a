"""functorch.experimental: transforms under the names that they had before they were settled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rushlight._missing import getattr_of  # imports are absolute: this module is seen under another package's name
from rushlight.func import functionalize, hessian, jacfwd, jvp, replace_all_batch_norm_modules_, vmap

__all__ = ["chunk_vmap", "functionalize", "hessian", "jacfwd", "jvp", "replace_all_batch_norm_modules_"]
__getattr__ = getattr_of(__name__)


def chunk_vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", chunks: int = 2
) -> Callable:
    """vmap in so many parts; as vmap's chunk_size, which says how many examples are in each.

    >>> from rushlight._functorch.front.experimental import chunk_vmap
    >>> chunk_vmap(torch.sum, chunks=2)(torch.ones(3, 2))
    tensor([2., 2., 2.])
    """
    from rushlight._functorch.vmap import _process_batched_inputs

    if chunks < 1:
        raise ValueError(f"chunk_vmap: expected chunks >= 1, got {chunks}")

    def mapped(*args: Any, **kwargs: Any) -> Any:
        size = _process_batched_inputs(in_dims, args, func)[0]
        return vmap(func, in_dims, out_dims, randomness, chunk_size=-(-size // chunks) or None)(*args, **kwargs)

    return mapped
