"""What rushlight.linalg, .special and .fft show: the operators of that module, without their prefix."""

from __future__ import annotations

from types import ModuleType


def functions_of(module: ModuleType, prefix: str) -> dict:
    return {name.removeprefix(prefix): f for name, f in vars(module).items() if name.startswith(prefix)}
