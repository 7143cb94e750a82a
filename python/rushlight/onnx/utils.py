"""What programs import from torch.onnx.utils."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from . import _export
from ._export import is_in_onnx_export, select_model_mode_for_export
from ._symbolic import register_custom_op_symbolic, unregister_custom_op_symbolic

__all__ = [
    "export", "exporter_context", "is_in_onnx_export", "register_custom_op_symbolic", "select_model_mode_for_export", "unregister_custom_op_symbolic",
]  # fmt: skip


def export(model: Any, args: Any, f: Any, **kwargs: Any) -> None:
    """``torch.onnx.export`` with ``dynamo=False``."""
    _export.export(model, args, f, **{**kwargs, "dynamo": False})


@contextlib.contextmanager
def exporter_context(model: Any, mode: Any, verbose: bool = False) -> Iterator[None]:
    """A module in the mode that it is exported in."""
    with select_model_mode_for_export(model, mode):
        yield
