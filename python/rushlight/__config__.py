"""How this build was made."""

from __future__ import annotations

import os

from . import _C
from .version import __version__

__all__ = ["parallel_info", "show"]


def show() -> str:
    """A readable text about the build."""
    return (
        f"rushlight {__version__}, built with:\n  - C++20\n  - BLAS and LAPACK: OpenBLAS\n  - convolutions: oneDNN\n"
        f"  - CPU capability usage: {cpu_capability()}\n"
    )


def parallel_info() -> str:
    """A readable text about threads."""
    return (
        f"threads of an operator: {_C.get_num_threads()}\nthreads of the machine: {os.cpu_count()}\nOMP_NUM_THREADS: "
        f"{os.environ.get('OMP_NUM_THREADS', '[not set]')}\n"
    )


def cpu_capability() -> str:
    """ "AVX512", "AVX2" or "DEFAULT": the instructions that the machine has."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next((line.split() for line in file if line.startswith("flags")), [])
    except OSError:
        flags = []
    return "AVX512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "DEFAULT"
