"""The place where third-party code looks for AdamW."""

from .adam import AdamW

__all__ = ["AdamW"]
