"""Versions. Packages that ask torch for its version where rushlight stands for it (`as_torch`) get ``torch_version``."""

__version__ = "0.1.0"
torch_version = "2.13.0"  # whose API this is
cuda = None
hip = None
rocm = None
xpu = None
git_version = "Unknown"
debug = False
