"""What the transforms do, as functions."""

from __future__ import annotations

from typing import Any

import rushlight as rl

__all__ = ["add_token", "str_to_int", "to_tensor", "truncate"]


def to_tensor(input: Any, padding_value: int | None = None, dtype: Any = rl.int64) -> rl.Tensor:
    """A tensor of numbers, or of lists of them, which are padded at the end where they are of different length.

    Raises ValueError for lists of different length without a padding value.

    >>> to_tensor([[1, 2, 3], [4]], padding_value=0)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if not isinstance(input, (list, tuple)):
        raise TypeError(f"to_tensor: expected a list of numbers or of lists of them, got {type(input).__name__}")
    if input and isinstance(input[0], (list, tuple)):
        longest = max(map(len, input))
        if padding_value is not None:
            input = [[*row, *[padding_value] * (longest - len(row))] for row in input]
        elif any(len(row) != longest for row in input):
            raise ValueError(
                "to_tensor: expected lists of one length, got lengths "
                f"{sorted({len(row) for row in input})[:8]}; pass padding_value, or truncate and pad before"
            )
    return rl.tensor(input, dtype=dtype)


def truncate(input: Any, max_seq_len: int) -> Any:
    """The first `max_seq_len` items of a list, or of each of a list of lists.

    >>> truncate([[1, 2, 3], [4]], 2)
    [[1, 2], [4]]
    """
    if not isinstance(input, list):
        raise TypeError(f"truncate: expected a list or a list of lists, got {type(input).__name__}")
    if input and isinstance(input[0], list):
        return [row[:max_seq_len] for row in input]
    return input[:max_seq_len]


def add_token(input: Any, token_id: Any, begin: bool = True) -> Any:
    """A token before or behind a list, or each of a list of lists.

    >>> add_token([[1, 2], [3]], 0)
    [[0, 1, 2], [0, 3]]
    """
    if not isinstance(input, list):
        raise TypeError(f"add_token: expected a list or a list of lists, got {type(input).__name__}")
    if input and isinstance(input[0], list):
        return [add_token(row, token_id, begin) for row in input]
    return [token_id, *input] if begin else [*input, token_id]


def str_to_int(input: Any) -> Any:
    """The numbers that texts are, of a list or of lists.

    >>> str_to_int([["1", "2"], ["3"]])
    [[1, 2], [3]]
    """
    if not isinstance(input, list):
        raise TypeError(f"str_to_int: expected a list or a list of lists, got {type(input).__name__}")
    return [str_to_int(item) if isinstance(item, list) else int(item) for item in input]
