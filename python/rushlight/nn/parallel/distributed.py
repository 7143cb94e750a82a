"""Where PyTorch defines DistributedDataParallel; programs import it from here too."""

from . import DistributedDataParallel

__all__ = ["DistributedDataParallel"]
