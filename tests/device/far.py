"""The far device, for programs that tests run: `import far` loads its library, `far.start()` registers it."""

import ctypes
import os
from pathlib import Path

import rushlight as torch

BUILD = Path(os.environ.get("RUSHLIGHT_BUILD", Path(__file__).resolve().parents[2] / "build")).resolve()
lib = ctypes.CDLL(str(BUILD / "tests" / "far_device.so"))
lib.far_start.restype = lib.far_refused.restype = ctypes.c_char_p
lib.far_start.argtypes = [ctypes.c_bool]
lib.far_refused.argtypes = lib.far_calls.argtypes = [ctypes.c_char_p]
lib.far_calls.restype = ctypes.c_int64


def start(kernels: bool = True) -> None:
    torch.utils.rename_privateuse1_backend("far")
    error = lib.far_start(kernels)
    assert error is None, error


def calls(name: str) -> int:
    """How often the device ran a kernel or a copy."""
    return lib.far_calls(name.encode())


def refused(what: str) -> str:
    """The error of a registration that has to be refused."""
    error = lib.far_refused(what.encode())
    assert error is not None, what
    return error.decode()
