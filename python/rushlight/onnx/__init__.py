"""ONNX: models are read by ``load``, and can't be exported yet. The names that programs import are here; exporting raises an error that says so."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NoReturn

from .. import _missing
from ._load import load

__all__ = [
    "ONNXProgram", "OnnxExporterError", "OperatorExportTypes", "TensorProtoDataType", "TrainingMode", "export", "is_in_onnx_export", "load",
    "register_custom_op_symbolic", "unregister_custom_op_symbolic",
]  # fmt: skip

_INSTEAD = "torch.jit.trace(model, x).save(path) makes a file that runs without Python"


class OnnxExporterError(RuntimeError):
    """What failed exports raise in PyTorch."""


class TrainingMode(enum.IntEnum):
    """Whether a model is exported for inference or for training."""

    EVAL, PRESERVE, TRAINING = range(3)


class OperatorExportTypes(enum.IntEnum):
    """How operators would be exported."""

    ONNX, ONNX_ATEN, ONNX_ATEN_FALLBACK, ONNX_FALLTHROUGH = range(4)


class TensorProtoDataType(enum.IntEnum):
    """The numbers of dtypes in ONNX files."""

    UNDEFINED, FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT32, UINT64 = range(
        14
    )
    COMPLEX64, COMPLEX128, BFLOAT16 = range(14, 17)


class ONNXProgram:
    """An exported model: there is none to make."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise _missing.unsupported("torch.onnx.export", _INSTEAD)


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises UnsupportedError."""
    raise _missing.unsupported("torch.onnx.export", _INSTEAD)


def is_in_onnx_export() -> bool:
    """Whether an export is going on: never."""
    return False


_symbolics: dict[tuple[str, int], Callable] = {}


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: Callable, opset_version: int) -> None:
    """Remembers how an operator would be exported."""
    _symbolics[symbolic_name, opset_version] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Forgets it."""
    _symbolics.pop((symbolic_name, opset_version), None)


__getattr__ = _missing.getattr_of(__name__)
