"""Switches of how modules are converted, as PyTorch names them.

>>> import rushlight as torch
>>> torch.__future__.set_swap_module_params_on_conversion(True)
>>> m = torch.nn.Linear(2, 2)
>>> weight = m.weight
>>> m.double().weight is weight
True
>>> torch.__future__.set_swap_module_params_on_conversion(False)
"""

from __future__ import annotations

__all__ = [
    "get_overwrite_module_params_on_conversion",
    "get_swap_module_params_on_conversion",
    "set_overwrite_module_params_on_conversion",
    "set_swap_module_params_on_conversion",
]

_overwrite = _swap = False


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """True: ``module.to()`` and its like put new parameters into the module instead of changing the ones that are there."""
    global _overwrite
    _overwrite = value


def get_overwrite_module_params_on_conversion() -> bool:
    return _overwrite


def set_swap_module_params_on_conversion(value: bool) -> None:
    """True: ``module.to()`` and ``load_state_dict`` exchange a parameter's contents (``torch.utils.swap_tensors``)."""
    global _swap
    _swap = value


def get_swap_module_params_on_conversion() -> bool:
    return _swap
