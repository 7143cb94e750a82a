"""Errors of the compiler, for programs that catch them: nothing raises them here."""

from .. import _missing

__all__ = ["BackendCompilerFailed", "TorchDynamoException", "TorchRuntimeError", "Unsupported", "UserError"]


class TorchDynamoException(RuntimeError):
    """What the compiler raises."""


class Unsupported(TorchDynamoException):
    """The compiler can't compile something."""


class TorchRuntimeError(TorchDynamoException):
    """An operator failed while the compiler traced it."""


class BackendCompilerFailed(TorchDynamoException):
    """What made machine code of a graph failed."""


class UserError(TorchDynamoException):
    """The program is written so that it can't be compiled."""


class TensorifyScalarRestartAnalysis(TorchDynamoException):
    """The compiler starts again."""


__getattr__ = _missing.getattr_of(__name__)
