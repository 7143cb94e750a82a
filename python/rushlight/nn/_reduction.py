"""The reduction argument of the losses: its names, their numbers in the operators, and the old boolean pair."""

from __future__ import annotations

from .._C import Tensor
from ._functional._operators import records


def get_enum(reduction: str) -> int:
    return records._reduction(None, None, reduction)


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    if isinstance(size_average, Tensor) or isinstance(reduce, Tensor):
        raise RuntimeError(
            "Boolean value of Tensor with more than one value is ambiguous. Hint: make the loss first, then call it with tensors: "
            "nn.MSELoss()(input, target); or call the function, nn.functional.mse_loss(input, target)"
        )
    return records._reduction_name(size_average, reduce, "mean", emit_warning)


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
