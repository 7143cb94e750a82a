"""Reading ONNX models."""

from __future__ import annotations

import os
from typing import Any

from .. import _C
from ..jit._imported import ImportedModule


def load(f: Any) -> ImportedModule:
    """Reads an ONNX model as a module that runs, trains, and is saved as an archive as any script module is.

    Args:
        f: a path, the bytes of a file, an object with ``read()``, or one with ``SerializeToString()`` as ``onnx.load`` gives it. Files of
            external data are looked for beside a path, and nowhere else.
    ``forward`` takes the graph's inputs in their order, without those that are initialisers, and returns its output, or a tuple of them.
    A tensor of strings is a pair: an int64 tensor of places, and the list of strings that they are places in.

    Errors: OSError for a path that can't be read, RuntimeError for a damaged file, or naming the node, its operator, domain and version
    for one that can't be translated.
    """
    folder = ""
    name = "a model"
    if isinstance(f, (str, os.PathLike)):
        source: str | bytes = os.fspath(f)
        if isinstance(source, bytes):
            source = os.fsdecode(source)
        folder = os.path.dirname(source) or "."
        name = source
    elif isinstance(f, (bytes, bytearray, memoryview)):
        source = bytes(f)
    elif hasattr(f, "SerializeToString"):
        source = f.SerializeToString()
    elif hasattr(f, "read"):
        source = f.read()
    else:
        raise TypeError(f"onnx.load: expected a path, bytes, a file or a ModelProto, got {type(f).__name__}")
    return ImportedModule(_C._import_model("onnx", source, name, folder))
