"""ONNX: models are read (``load``) and written (``export``); ``rushlight.onnx.backend`` is the onnx package's backend interface."""

from __future__ import annotations

import enum
import importlib
from typing import Any

from .. import _missing, version
from . import errors
from ._export import export, is_in_onnx_export, select_model_mode_for_export
from ._load import load
from ._program import ONNXProgram
from ._symbolic import register_custom_op_symbolic, unregister_custom_op_symbolic
from .errors import OnnxExporterError

__all__ = [
    "ONNXProgram", "OnnxExporterError", "OperatorExportTypes", "TensorProtoDataType", "TrainingMode", "errors", "export", "is_in_onnx_export", "load",
    "register_custom_op_symbolic", "select_model_mode_for_export", "unregister_custom_op_symbolic",
]  # fmt: skip


producer_name, producer_version = "pytorch", version.torch_version


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


_missing_name = _missing.getattr_of(__name__)


def __getattr__(name: str) -> Any:
    if name in ("symbolic_helper", "operators", "ops", "testing", "utils") or name.startswith("symbolic_opset"):
        try:
            return importlib.import_module(f".{name}", __name__)
        except ModuleNotFoundError:
            pass
    return _missing_name(name)
