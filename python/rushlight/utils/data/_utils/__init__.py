"""Where PyTorch keeps the parts of DataLoader; programs import some of them from here."""

from . import collate, worker

__all__ = ["collate", "worker"]
