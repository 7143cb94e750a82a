"""The one kind of error for what PyTorch has and rushlight lacks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

__all__ = ["UnsupportedError", "getattr_of", "missing_module", "missing_name", "unsupported"]


class UnsupportedError(NotImplementedError):
    """Something of PyTorch's that rushlight lacks: the text says what it is, and what works instead.

    A missing name is an AttributeError too (an ImportError where it is imported), a missing module a ModuleNotFoundError.
    """

    __module__ = "rushlight"


class MissingNameError(AttributeError, UnsupportedError):
    """A name that a module or class lacks."""


class MissingImportError(ImportError, UnsupportedError):
    """A name that `from module import name` did not find."""


class MissingModuleError(ModuleNotFoundError, UnsupportedError):
    """A module that is not there."""


# What works instead: names below torch, or modules, whose names inside have the same answer.
_INSTEAD = {
    "eig": "removed from PyTorch in 1.13; use torch.linalg.eig",
    "lstsq": "removed from PyTorch in 1.13; use torch.linalg.lstsq",
    "matrix_rank": "removed from PyTorch in 1.13; use torch.linalg.matrix_rank",
    "solve": "removed from PyTorch in 1.13; use torch.linalg.solve",
    "symeig": "removed from PyTorch in 2.0; use torch.linalg.eigh",
    "_six": "removed from PyTorch in 2.0; use the types of Python's own (str, int, collections.abc)",
    "rfft": "removed from PyTorch in 1.8; use torch.fft.rfft",
    "irfft": "removed from PyTorch in 1.8; use torch.fft.irfft",
    "onnx": "save with torch.jit.save or torch.save",
    "export": "torch.jit.trace and torch.jit.script give a program that runs without Python",
    "quantization": "models compute in float32, float64, bfloat16 or float16",
    "ao": "models compute in float32, float64, bfloat16 or float16",
    "nested": "pad the sequences (torch.nn.utils.rnn.pad_sequence) and mask",
    "masked": "torch.where with the mask, or masked_fill",
    "sparse": "dense tensors",
    "package": "save with torch.save or torch.jit.save",
    "mps": "tensors on the CPU",
    "xpu": "tensors on the CPU",
    "distributed": "one process; torch.distributed.is_available() is False",
}
# The same of the helpers, under the names of their models: what torchvision and torchaudio have in Python runs on rushlight.
_INSTEAD |= dict.fromkeys(
    [
        *(f"torchvision.models.{name}" for name in ("video", "optical_flow", "maxvit", "MaxVit", "maxvit_t")),
        *(f"torchaudio.{name}" for name in ("models", "pipelines", "prototype", "datasets", "utils", "compliance")),
        *(f"torchaudio.transforms.{name}" for name in ("Vad", "MVDR", "PSD", "SoudenMVDR", "RTFMVDR", "Loudness")),
        *(f"torchaudio.functional.{name}" for name in ("vad", "loudness", "phaser", "flanger", "overdrive", "dither")),
    ],
    "its Python code runs on rushlight: pip install --no-deps torchvision or torchaudio",
)
_INSTEAD |= {
    "torchvision.models.quantization": "models compute in float32, float64, bfloat16 or float16",
    "torchvision.io.read_video": "no video is decoded here; write its frames as pictures (ffmpeg -i film.mp4 %05d.png) and read those",
    "torchtext.models": "transformers' models run on rushlight",
    "torchtext.transforms.SentencePieceTokenizer": "BERTTokenizer, GPT2BPETokenizer, or the package sentencepiece",
    "torchtext.transforms.CLIPTokenizer": "GPT2BPETokenizer, or transformers' CLIPTokenizer",
    "torchaudio.transforms.RNNTLoss": "ctc_loss",
    "torchaudio.functional.rnnt_loss": "ctc_loss",
}
_INSTEAD |= dict.fromkeys(
    [f"torchvision.io.{name}" for name in ("VideoReader", "write_video", "read_video_timestamps")],
    _INSTEAD["torchvision.io.read_video"],
)
_HELPERS = {f"rushlight.{name}": f"torch{name}" for name in ("vision", "audio", "text")}


def _said(name: str) -> str:
    """`name` is the whole dotted name, from torch on."""
    inside = name.removeprefix("torch.")
    while inside:
        if inside in _INSTEAD:
            return f"rushlight has no {name}: {_INSTEAD[inside]}"
        inside = inside.rpartition(".")[0]
    return f"rushlight has no {name}; docs/compatibility.md says what it has of PyTorch"


def _whole(module: str, name: str) -> str:
    return f"{_shown(module)}.{name}"


def _shown(module: str) -> str:
    helper = ".".join(module.split(".")[:2])
    if helper in _HELPERS:
        return _HELPERS[helper] + module.removeprefix(helper)
    return "torch" + module.removeprefix("rushlight").removeprefix("torch")


def unsupported(what: str, instead: str = "") -> UnsupportedError:
    """The error for a call whose function exists, but not what was asked of it."""
    return UnsupportedError(f"rushlight does not support {what}" + (f"; {instead}" if instead else ""))


def missing_module(name: str) -> MissingModuleError:
    return MissingModuleError(f"No module named '{name}': {_said(name)}", name=name)


def missing_name(module: Any, name: str) -> UnsupportedError:
    """The error that the module's `__getattr__` raises."""
    shown = _shown(module.__name__)
    said = _said(_whole(module.__name__, name))
    from opcode import opmap

    asker = sys._getframe(1)
    while asker.f_back is not None and asker.f_code.co_name == "__getattr__":
        asker = asker.f_back
    # An AttributeError's text is dropped by `from module import name`, which then says something of its own.
    if asker.f_lasti >= 0 and asker.f_code.co_code[asker.f_lasti] == opmap["IMPORT_FROM"]:
        return MissingImportError(
            f"cannot import name '{name}' from '{shown}': {said}", name=module.__name__, path=module.__file__
        )
    return MissingNameError(f"module '{shown}' has no attribute '{name}': {said}", name=name, obj=module)


def module_inside(module: Any, name: str) -> Any:
    """The module of that name in a package, imported, as PyTorch has done with most of its own; None if there is none."""
    from importlib import import_module, util

    inside = f"{module.__spec__.name}.{name}"
    if not hasattr(module, "__path__") or util.find_spec(inside) is None:
        return None
    return import_module(inside)


def getattr_of(module_name: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module all of whose names are there from the start, but for modules in it."""

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):  # what the interpreter itself asks for
            raise AttributeError(name)
        module = sys.modules[module_name]
        found = module_inside(module, name)
        if found is None:
            raise missing_name(module, name)
        return found

    return __getattr__
