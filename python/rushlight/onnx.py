"""ONNX: not there yet. The names that programs import are; exporting raises an error that says so."""

from __future__ import annotations

from typing import Any, NoReturn

from . import _missing

__all__ = ["OnnxExporterError", "export", "is_in_onnx_export"]


class OnnxExporterError(RuntimeError):
    """What failed exports raise in PyTorch."""


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises UnsupportedError."""
    raise _missing.unsupported(
        "torch.onnx.export", "torch.jit.trace(model, x).save(path) makes a file that runs without Python"
    )


def is_in_onnx_export() -> bool:
    """Whether an export is going on: never."""
    return False


__getattr__ = _missing.getattr_of(__name__)
