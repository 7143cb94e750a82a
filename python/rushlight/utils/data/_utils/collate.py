"""Making batches: rushlight.utils.data._collate by PyTorch's name."""

import re

from .._collate import collate, default_collate, default_collate_fn_map, default_convert

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

np_str_obj_array_pattern = re.compile(r"[SaUO]")  # the kinds of numpy arrays that are no numbers
