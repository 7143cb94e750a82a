"""Helpers around tensors: data loading, TensorBoard files, hook handles. Sub-packages are imported on first use."""

from __future__ import annotations

from typing import Any

__all__ = ["data", "hooks", "tensorboard"]


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    import importlib

    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as e:
        if e.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'") from None
