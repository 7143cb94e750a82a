"""Where PyTorch defines scatter and gather; programs import them from here too."""

from . import gather, scatter, scatter_kwargs

__all__ = ["gather", "scatter", "scatter_kwargs"]
