"""Sizes as tensors, which is how older programs keep a size dynamic."""

from __future__ import annotations

import rushlight as rl

shape_as_tensor = rl._shape_as_tensor
reshape_from_tensor_shape = rl._reshape_from_tensor
