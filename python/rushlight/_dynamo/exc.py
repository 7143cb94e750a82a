"""Errors of the compiler, for programs that catch them: nothing raises them here."""

from .. import _missing

__all__ = ["TorchDynamoException"]


class TorchDynamoException(RuntimeError):
    """What the compiler raises."""


_MEANINGS = {
    "BackendCompilerFailed": "What made machine code of a graph failed.",
    "CondOpArgsMismatchError": "The branches of a condition don't fit together.",
    "InfiniteGeneratorError": "A generator never ends.",
    "InternalTorchDynamoError": "The compiler itself failed.",
    "InvalidBackend": "No way of making machine code has that name.",
    "PackageError": "What was compiled can't be put into a package, or read from one.",
    "RecompileError": "Something was compiled again that was not to be.",
    "ResetRequired": "A setting can't be changed before torch._dynamo.reset().",
    "RestartAnalysis": "The compiler starts again.",
    "ShortenTraceback": "An error whose trace hides the compiler.",
    "SkipFrame": "A function is left to Python.",
    "TensorifyScalarRestartAnalysis": "The compiler starts again, with numbers as tensors.",
    "TorchRuntimeError": "An operator failed while the compiler traced it.",
    "UncapturedHigherOrderOpError": "A function of functions could not be captured.",
    "Unsupported": "The compiler can't compile something.",
    "UserError": "The program is written so that it can't be compiled.",
}
for _name, _text in _MEANINGS.items():
    globals()[_name] = type(_name, (TorchDynamoException,), {"__doc__": _text, "__module__": __name__})

__getattr__ = _missing.getattr_of(__name__)
