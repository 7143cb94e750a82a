"""The version of torchvision whose API this is."""

from . import __version__

cuda = None
git_version = "unknown"
__all__ = ["__version__", "cuda", "git_version"]
