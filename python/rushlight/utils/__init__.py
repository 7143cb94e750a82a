"""Helpers around tensors: data loading, TensorBoard files, hook handles. Sub-packages are imported on first use."""

from __future__ import annotations

import os
import sys
from typing import Any

_LAZY_NAMES = {
    "swap_tensors": "_swap",
    "ThroughputBenchmark": "throughput_benchmark",
    "generate_methods_for_privateuse1_backend": "backend_registration",
    "rename_privateuse1_backend": "backend_registration",
}
__all__ = ["cmake_prefix_path", "data", "hooks", "tensorboard", *_LAZY_NAMES]

# For CMake: find_package(Rushlight) where CMAKE_PREFIX_PATH names this folder.
cmake_prefix_path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "lib", "cmake")


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    import importlib

    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY_NAMES[name]}"), name)
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as e:
        if e.name != f"{__name__}.{name}":
            raise
        from .._missing import missing_name

        raise missing_name(sys.modules[__name__], name) from None
