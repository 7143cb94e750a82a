"""ONNX: models are read (``load``) and written (``export``); ``rushlight.onnx.backend`` is the onnx package's backend interface."""

from __future__ import annotations

import enum
from collections.abc import Callable

from .. import _missing
from ._export import OnnxExporterError, ONNXProgram, export, is_in_onnx_export, select_model_mode_for_export
from ._load import load

__all__ = [
    "ONNXProgram", "OnnxExporterError", "OperatorExportTypes", "TensorProtoDataType", "TrainingMode", "export", "is_in_onnx_export", "load",
    "register_custom_op_symbolic", "select_model_mode_for_export", "unregister_custom_op_symbolic",
]  # fmt: skip


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


_symbolics: dict[tuple[str, int], Callable] = {}


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: Callable, opset_version: int) -> None:
    """Remembers how an operator would be exported."""
    _symbolics[symbolic_name, opset_version] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Forgets it."""
    _symbolics.pop((symbolic_name, opset_version), None)


__getattr__ = _missing.getattr_of(__name__)
