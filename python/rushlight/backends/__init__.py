"""Libraries that rushlight computes with, and the switches programs expect to find here."""

from . import cuda, cudnn, mkl, mkldnn, mps, openmp, quantized

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "quantized"]
