"""Branches and loops as functions, where programs of 2023 import them from."""

from rushlight._higher_order_ops import cond, map  # noqa: A004

__all__ = ["cond", "map"]
