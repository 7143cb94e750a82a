"""The JSON of exported programs: which numbers stand for dtypes and the like. Specification: torch/_export/serde/schema.py of PyTorch."""

from __future__ import annotations

from typing import Any

import rushlight as torch

DTYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64, 6: torch.float16, 7: torch.float32, 8: torch.float64,
    10: torch.complex64, 11: torch.complex128, 12: torch.bool, 13: torch.bfloat16, 28: torch.uint16, 29: torch.float8_e4m3fn,
    30: torch.float8_e5m2,
}  # fmt: skip
# As scripts know them: numbers.
MEMORY_FORMATS = {1: 0, 2: 2, 3: 3, 4: 1}
LAYOUTS = {1: 1, 2: 2, 3: 4, 4: 5, 5: 6, 7: 0}


class FormatError(RuntimeError):
    """A file that says what no exported program says."""


def chosen(union: Any) -> tuple[str, Any]:
    """The one field of a union that is set; files of before 2.3 write the others as null."""
    if not isinstance(union, dict):
        raise FormatError(f"expected one of several kinds of values, got {type(union).__name__}")
    given = [(k, v) for k, v in union.items() if v is not None]
    if len(given) != 1:
        if not given and "as_none" in union:
            return "as_none", True
        raise FormatError(f"expected one kind of value, got {[k for k, _ in given]}")
    return given[0]


def field(value: Any, name: str, kind: type) -> Any:
    """A field of an object that has to be there."""
    if not isinstance(value, dict) or not isinstance(value.get(name), kind):
        raise FormatError(f"expected a {kind.__name__} called '{name}'")
    return value[name]


def dtype_of(number: Any) -> Any:
    if number not in DTYPES:
        raise FormatError(f"a dtype of the number {number!r}")
    return DTYPES[number]
