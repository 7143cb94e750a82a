"""The place where third-party code looks for DistributedSampler."""

from .sampler import DistributedSampler

__all__ = ["DistributedSampler"]
