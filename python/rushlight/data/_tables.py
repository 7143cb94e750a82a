"""Tables as text: csv files into tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rushlight

from .. import _data

_MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")


class Table(Mapping):
    """The columns of a csv file by name: a tensor each, or a list of str.

    Attributes:
        rows: how many there are.
        categories: of the columns that have codes, what each code means.
        errors: how many rows were left out (`skip_errors=True`).
        error_texts: line and reason of the first 20 of them.
    """

    def __init__(self, values: dict, categories: dict, rows: int, errors: int, error_texts: list):
        self._values = values
        self.categories, self.rows, self.errors, self.error_texts = categories, rows, errors, error_texts

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise KeyError(f"no column '{name}'; the table has {', '.join(self._values)}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def tensor(self, *names: str, dtype=None):
        """Columns side by side: a tensor (rows, columns). Default: all that are numbers, as float32.

        >>> table = read_csv(b"x,y,label\\n1,2.5,a\\n3,4.5,b\\n")
        >>> table.tensor("x", "y")
        tensor([[1.0000, 2.5000],
                [3.0000, 4.5000]])
        """
        chosen = (
            [self[name] for name in names] if names else [v for v in self._values.values() if not isinstance(v, list)]
        )
        for name, value in zip(names, chosen):
            if isinstance(value, list):
                raise TypeError(f"Table.tensor: column '{name}' is text; read it with types={{'{name}': 'category'}}")
        out = rushlight.empty(self.rows, len(chosen), dtype=dtype or rushlight.float32)
        for i, value in enumerate(chosen):
            out[:, i] = value
        return out

    def __repr__(self) -> str:
        kinds = (
            f"{n}: {'str' if isinstance(v, list) else str(v.dtype).removeprefix('torch.')}" for n, v in self.items()
        )
        return f"Table({self.rows} rows; {', '.join(kinds)})"


def read_csv(
    input,
    types: str | Mapping[str, str] | None = None,
    *,
    columns: Sequence[str] = (),
    delimiter: str = ",",
    quote: str = '"',
    comment: str = "",
    header: bool = True,
    names: Sequence[str] = (),
    missing: Sequence[str] = _MISSING,
    fill: Mapping[str, float] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
    skip_errors: bool = False,
    max_rows: int = -1,
    skip_rows: int = 0,
) -> Table:
    """Reads a csv file (RFC 4180) into a tensor, or a list of str, for each column.

    Args:
        input: a path, or the file's bytes.
        types: "int64", "float32", "float64", "bool", "str" or "category" for all columns, or by name. Those that have none are guessed from
            the first 1000 rows; a guess of int64 becomes float64 where a later row wants it, any other mismatch is an error.
        columns: those wanted, in this order.
        header: whether the first row has the names; without, and without `names`, they are "0", "1", ...
        missing: texts that stand for no value: NaN in a column of numbers, -1 in one of categories.
        fill: by column, the number that stands for no value instead; int64 and bool have no other.
        categories: by column, the texts of its codes 0, 1, ...; any other text is an error. Without, a column of type "category" has those found,
            sorted.
        skip_errors: leaves bad rows out and counts them (`Table.errors`), instead of raising for the first.
        max_rows, skip_rows: rows to read at the most; lines before the header.

    Raises RuntimeError that names the line and column of a bad row, ValueError for a column that isn't there.

    >>> table = read_csv(b"width,kind\\n1.5,cat\\n2,dog\\n", {"kind": "category"})
    >>> table["width"], table["kind"], table.categories["kind"]
    (tensor([1.5000, 2.0000], dtype=torch.float64), tensor([0, 1]), ['cat', 'dog'])
    """
    everywhere = types if isinstance(types, str) else ""
    by_name = dict(types) if isinstance(types, Mapping) else {}
    return Table(
        *_data.read_csv(
            input, everywhere, by_name, list(columns), delimiter, quote, comment, header, list(names), list(missing),
            dict(fill or {}), {k: list(v) for k, v in (categories or {}).items()}, skip_errors, max_rows, skip_rows,
        )
    )  # fmt: skip
