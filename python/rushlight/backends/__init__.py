"""Libraries that rushlight computes with, and the switches programs expect to find here."""

from . import cpu_fallback, cuda, cudnn, mkl, mkldnn, mps, openmp, quantized

__all__ = ["cpu_fallback", "cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "quantized"]
