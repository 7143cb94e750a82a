"""Nodes that no operator stands for: what ``symbolic`` computes is zeros, and what is exported of it is the node.

>>> import rushlight as torch
>>> class Twice(torch.nn.Module):
...     def forward(self, x):
...         return torch.onnx.ops.symbolic("mine::Twice", (x,), {"factor": 2.0}, dtype=x.dtype, shape=x.shape, version=1)
>>> torch.onnx.export(Twice(), (torch.ones(2),)).operators()
{'Twice': 1, 'Identity': 1}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import _symbolic

# By numbers of TensorProto.DataType.
_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16", 11: "float64", 12: "uint32",
    13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip


def _kind(name: str, value: Any) -> str:
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    for kind, types in (("i", int), ("f", float), ("s", (str, bytes)), ("t", rl.Tensor)):
        if isinstance(first, types):
            return kind
    raise ValueError(
        f"onnx.ops.symbolic: the attribute '{name}' is a {type(first).__name__}; numbers, strings and tensors can be"
    )


def symbolic_multi_out(
    domain_op: str, /, inputs: Sequence[Any], attrs: dict[str, Any] | None = None, *, dtypes: Sequence[Any], shapes: Sequence[Any],
    version: int | None = None, metadata_props: dict[str, str] | None = None,
) -> tuple[Any, ...]:  # fmt: skip
    """A node with several outputs; see ``symbolic``."""
    domain, _, kind = domain_op.rpartition("::")
    if not kind or "::" in domain:
        raise ValueError(f"onnx.ops.symbolic: expected 'domain::Type', got '{domain_op}'")
    if len(dtypes) != len(shapes):
        raise ValueError(f"onnx.ops.symbolic: {len(dtypes)} dtypes and {len(shapes)} shapes are told")
    made = [getattr(rl, _DTYPES[int(d)]) if isinstance(d, int) else d for d in dtypes]
    attributes = {f"{name}_{_kind(name, value)}": value for name, value in (attrs or {}).items()}

    def compute(*_inputs: Any) -> tuple[Any, ...]:
        return tuple(rl.zeros(list(shape), dtype=dtype) for dtype, shape in zip(made, shapes, strict=True))

    def write(g: Any, *given: Any) -> Any:
        return g.op(domain_op, *given, outputs=len(made), **attributes)

    calls = _symbolic.recording
    if calls is None:
        return compute()
    if domain and version is not None:
        calls.versions[domain] = version
    out = calls.record(kind, tuple(inputs), compute, write)
    return out if isinstance(out, tuple) else (out,)


def symbolic(
    domain_op: str, /, inputs: Sequence[Any], attrs: dict[str, Any] | None = None, *, dtype: Any, shape: Any, version: int | None = None,
    metadata_props: dict[str, str] | None = None,
) -> Any:  # fmt: skip
    """A node.

    Args:
        domain_op: ``"domain::Type"``; without a domain an operator of ONNX's own.
        inputs: tensors; None where one is left out.
        attrs: numbers, strings, tensors and lists of them.
        dtype: the output's, or its number in ONNX; shape: its sizes.
        version: of the domain; 1 where none is told.
    """
    return symbolic_multi_out(domain_op, inputs, attrs, dtypes=(dtype,), shapes=(shape,), version=version)[0]
