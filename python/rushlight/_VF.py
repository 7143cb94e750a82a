"""The functions of torch under the name by which modules written for PyTorch call them: torch._VF.lstm, torch._VF.norm_except_dim."""

from typing import Any

from . import _C


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _C._functions:
        return _C._functions[name]
    import rushlight

    return getattr(rushlight, name)
