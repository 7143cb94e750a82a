"""Making batches: rushlight.utils.data._collate by PyTorch's name."""

from .._collate import collate, default_collate, default_collate_fn_map, default_convert

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]
