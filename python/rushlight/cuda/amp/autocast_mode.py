"""Where PyTorch keeps autocast's old names."""

from . import autocast, custom_bwd, custom_fwd  # type: ignore[attr-defined]

__all__ = ["autocast", "custom_bwd", "custom_fwd"]
