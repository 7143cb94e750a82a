"""Making a batch of samples."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import rushlight as rl
from rushlight import Tensor

_ERROR = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}. Hint: return those from the dataset, or give the DataLoader a collate_fn"


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    from ._utils.worker import get_worker_info

    samples = list(batch)
    if get_worker_info() is not None:
        stacked = rl._C._stack_samples(samples)
        if stacked is not None:
            return stacked
    return rl.stack(samples, 0)


def collate_float_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return rl.tensor(batch, dtype=rl.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    return rl.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    return batch


default_collate_fn_map: dict[Any, Callable] = {
    Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def _collate_numpy(batch: Any, collate_fn_map: Any) -> Any:
    """The batch of numpy arrays or scalars, or NotImplemented if it is neither. numpy is never imported for it."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return NotImplemented
    first = batch[0]
    if isinstance(first, numpy.ndarray):
        if first.dtype.kind in "SUO":
            raise TypeError(_ERROR.format(first.dtype))
        return collate([rl.as_tensor(b) for b in batch], collate_fn_map=collate_fn_map)
    if isinstance(first, (numpy.bool_, numpy.number, numpy.object_)):
        return rl.as_tensor(batch)
    return NotImplemented


def collate(batch: Any, *, collate_fn_map: dict | None = None) -> Any:
    """A batch of like samples: tensors are stacked, containers are batched part by part.

    Args:
        collate_fn_map: types to functions ``f(batch, *, collate_fn_map)``.
    """
    first = batch[0]
    kind = type(first)
    if collate_fn_map is not None:
        if kind in collate_fn_map:
            return collate_fn_map[kind](batch, collate_fn_map=collate_fn_map)
        if collate_fn_map is default_collate_fn_map:
            collated = _collate_numpy(batch, collate_fn_map)
            if collated is not NotImplemented:
                return collated
        for candidate, function in collate_fn_map.items():
            if isinstance(first, candidate):
                return function(batch, collate_fn_map=collate_fn_map)

    def part(samples: Any) -> Any:
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(first, Mapping):
        parts = {key: part([d[key] for d in batch]) for key in first}
        try:
            if isinstance(first, MutableMapping):
                # A copy keeps what else the type holds, such as defaultdict's factory.
                result = copy.copy(first)
                result.update(parts)
                return result
            return kind(parts)  # type: ignore[call-arg]
        except TypeError:
            return parts
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(part(samples) for samples in zip(*batch, strict=False)))
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [part(samples) for samples in zip(*batch, strict=True)]
        if isinstance(first, (tuple, list)) and kind in (tuple, list):
            return columns
        try:
            if isinstance(first, MutableSequence):
                result = copy.copy(first)
                for i, column in enumerate(columns):
                    result[i] = column
                return result
            return kind(columns) if not isinstance(first, tuple) else columns  # type: ignore[call-arg]
        except TypeError:
            return columns
    raise TypeError(_ERROR.format(kind))


def default_collate(batch: Any) -> Any:
    """Makes a batch of samples: adds a dimension to tensors, makes tensors of numbers, keeps text.

    >>> import rushlight as torch
    >>> torch.utils.data.default_collate([(0, "a"), (1, "b")])
    [tensor([0, 1]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def default_convert(data: Any) -> Any:
    """Makes tensors of numpy arrays inside a sample; the rest stays."""
    kind = type(data)
    if isinstance(data, Tensor):
        return data
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(data, (numpy.ndarray, numpy.generic)):
        if isinstance(data, numpy.ndarray) and data.dtype.kind in "SUO":
            return data
        return rl.as_tensor(data)
    if isinstance(data, Mapping):
        converted = {key: default_convert(value) for key, value in data.items()}
        try:
            if isinstance(data, MutableMapping):
                result = copy.copy(data)
                result.update(converted)
                return result
            return kind(converted)  # type: ignore[call-arg]
        except TypeError:
            return converted
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return kind(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        items = [default_convert(d) for d in data]
        try:
            return kind(items)  # type: ignore[call-arg]
        except TypeError:
            return items
    return data
