"""Where PyTorch keeps GradScaler's old name."""

from ...amp.grad_scaler import OptState
from . import GradScaler  # type: ignore[attr-defined]

__all__ = ["GradScaler", "OptState"]
