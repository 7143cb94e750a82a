"""Where PyTorch keeps autocast's old names."""

from . import autocast  # type: ignore[attr-defined]

__all__ = ["autocast"]
