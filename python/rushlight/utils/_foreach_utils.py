"""Which lists of tensors torch._foreach_* are given."""

from __future__ import annotations

from typing import Any

import rushlight as rl


def _group_tensors_by_device_and_dtype(tensorlistlist: list[list[Any]], with_indices: bool = False) -> dict:
    """(device, dtype) of the first list's tensors to (those rows of all lists, their indices if they are asked for)."""
    groups: dict = {}
    for i, first in enumerate(tensorlistlist[0]):
        if first is None:
            continue
        lists, indices = groups.setdefault((first.device, first.dtype), ([[] for _ in tensorlistlist], []))
        for mine, given in zip(lists, tensorlistlist, strict=True):
            if given:
                mine.append(given[i])
        if with_indices:
            indices.append(i)
    return groups


def _get_foreach_kernels_supported_devices() -> list[str]:
    """The kinds of device on which lists are faster than loops: none."""
    return []


def _get_fused_kernels_supported_devices() -> list[str]:
    """The kinds of device on which optimizers have a fused step."""
    return ["cpu"]


def _has_foreach_support(tensors: list[Any], device: Any) -> bool:
    return rl.device(device).type in _get_foreach_kernels_supported_devices()


def _device_has_foreach_support(device: Any) -> bool:
    return rl.device(device).type in _get_foreach_kernels_supported_devices()
