"""What goes wrong when a model is exported."""

from __future__ import annotations


class OnnxExporterWarning(UserWarning):
    """A warning of the exporter."""


class OnnxExporterError(RuntimeError):
    """What failed exports raise in PyTorch."""


class UnsupportedOperatorError(OnnxExporterError, NotImplementedError):
    """An operator that ONNX has not, or not in the opset."""


class SymbolicValueError(OnnxExporterError):
    """A value that a symbolic function can't do with; what ``symbolic_helper`` raises."""

    def __init__(self, msg: str, value: object = None) -> None:
        super().__init__(msg if value is None else f"{msg}  [Caused by the value '{value!r}']")
        self.value = value
