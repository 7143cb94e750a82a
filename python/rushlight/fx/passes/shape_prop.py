"""Notes shapes and dtypes in a graph's nodes, by running it once."""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight as rl

from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a tensor without its values."""

    shape: rl.Size
    dtype: rl.dtype
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: rl.memory_format | None
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: rl.Tensor, include_contiguity: bool = True) -> TensorMetadata:
    formats = (rl.contiguous_format, rl.channels_last, rl.channels_last_3d) if include_contiguity else ()
    dims = {rl.channels_last: 4, rl.channels_last_3d: 5}
    layout = next(
        (f for f in formats if dims.get(f, result.dim()) == result.dim() and result.is_contiguous(memory_format=f)),
        None,
    )
    return TensorMetadata(
        result.shape, result.dtype, result.requires_grad, tuple(result.stride()), layout, result.is_quantized, {}
    )


class ShapeProp(Interpreter):
    """Runs a graph and writes to each node's meta: "tensor_meta", a TensorMetadata (or several, as the value is), and "type".

    >>> import rushlight as torch
    >>> m = torch.fx.symbolic_trace(torch.nn.Linear(3, 4))
    >>> _ = ShapeProp(m).propagate(torch.zeros(2, 3))
    >>> m.graph.output_node().args[0].meta["tensor_meta"].shape
    torch.Size([2, 4])
    """

    def __init__(self, gm, fake_mode=None):
        if fake_mode is not None:
            raise NotImplementedError(
                "ShapeProp: fake modes are not supported; give tensors on the meta device instead"
            )
        super().__init__(gm)

    def run_node(self, n: Node) -> Any:
        """Runs a node and notes what it gives."""
        try:
            result = super().run_node(n)
        except Exception as e:
            raise RuntimeError(f"ShapeProp error for: node={n.format_node()} with meta={n.meta}") from e
        found = False

        def describe(x):
            nonlocal found
            if not isinstance(x, rl.Tensor):
                return x
            found = True
            return _extract_tensor_metadata(x)

        meta = map_aggregate(result, describe)
        if found:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Runs the graph; returns what it gives."""
        return super().run(*args)
