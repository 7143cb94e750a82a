"""CUDA's switches: kept so that programs can set and read them; no CUDA device is used, so they change nothing."""

import contextlib

from ..nn.attention import SDPBackend

__all__ = ["SDPBackend", "is_built", "matmul", "sdp_kernel"]


class matmul:  # noqa: N801
    """cuBLAS's switches."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "none"


def is_built() -> bool:
    """Whether this build can use CUDA: it can't."""
    return False


_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def flash_sdp_enabled() -> bool:
    """What enable_flash_sdp set."""
    return _sdp["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Remembers the switch."""
    _sdp["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """What enable_mem_efficient_sdp set."""
    return _sdp["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Remembers the switch."""
    _sdp["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """What enable_math_sdp set."""
    return _sdp["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Remembers the switch."""
    _sdp["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """What enable_cudnn_sdp set."""
    return _sdp["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Remembers the switch."""
    _sdp["cudnn"] = bool(enabled)


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
):
    """A context with other switches; attention runs the same kernel either way."""
    before = dict(_sdp)
    _sdp.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield {}
    finally:
        _sdp.update(before)


def preferred_linalg_library(backend=None) -> str:
    """The library for linear algebra: LAPACK, whatever is asked for."""
    return "default"


preferred_blas_library = preferred_linalg_library
