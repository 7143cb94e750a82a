"""Libraries that rushlight computes with, and the switches programs expect to find here."""

from .._missing import getattr_of as _getattr_of
from . import cpu, cpu_fallback, cuda, cudnn, cusparselt, mha, mkl, mkldnn, mps, openmp, opt_einsum, quantized, xnnpack

__all__ = [
    "cpu", "cpu_fallback", "cuda", "cudnn", "cusparselt", "mha", "mkl", "mkldnn", "mps", "openmp", "opt_einsum", "quantized",
    "xnnpack",
]  # fmt: skip

__getattr__ = _getattr_of(__name__)
