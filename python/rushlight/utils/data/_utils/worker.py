"""What a dataset can ask about its worker."""

from ..dataloader import get_worker_info

__all__ = ["get_worker_info"]
