"""Where PyTorch keeps the functions whose Python signature is not their operator's: the same objects as torch.einsum, torch.norm, ..."""

from __future__ import annotations

import rushlight as rl

_names = (
    "align_tensors atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors cartesian_prod cdist chain_matmul "
    "einsum istft lu meshgrid norm pca_lowrank split stft svd_lowrank tensordot unique unique_consecutive unravel_index"
)
__all__ = [name for name in _names.split() if hasattr(rl, name)]
globals().update({name: getattr(rl, name) for name in __all__})
