"""Functions over iterables of texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...utils.data import Dataset

__all__ = ["custom_replace", "numericalize_tokens_from_iterator", "simple_space_split", "to_map_style_dataset"]


def custom_replace(replace_pattern: Iterable[tuple[str, str]]) -> Callable[[Iterable[str]], Iterator[str]]:
    """A function that replaces patterns in each text.

    >>> list(custom_replace([("S", "s"), (r"\\s+", " ")])(["Sentencepiece  encode"]))
    ['sentencepiece encode']
    """
    patterns = [(re.compile(pattern), replacement) for pattern, replacement in replace_pattern]

    def replaced(texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            for pattern, replacement in patterns:
                text = pattern.sub(replacement, text)
            yield text

    return replaced


def simple_space_split(iterator: Iterable[str]) -> Iterator[list[str]]:
    """The words of each text.

    >>> list(simple_space_split(["a b", "c"]))
    [['a', 'b'], ['c']]
    """
    for text in iterator:
        yield text.split()


def numericalize_tokens_from_iterator(
    vocab: Any, iterator: Iterable[Iterable[str]], removed_tokens: Iterable[str] | None = None
) -> Iterator[Iterator[int]]:
    """The numbers of the tokens of each text, without those of `removed_tokens`.

    >>> [list(ids) for ids in numericalize_tokens_from_iterator({"a": 0, "b": 1}, [["b", "a"], ["a"]])]
    [[1, 0], [0]]
    """
    removed = set(removed_tokens or ())
    for tokens in iterator:
        yield iter([vocab[token] for token in tokens if token not in removed])


class _Listed(Dataset):
    def __init__(self, items: Iterable[Any]) -> None:
        self._data = list(items)

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: Any) -> Any:
        return self._data[index]


def to_map_style_dataset(iter_data: Iterable[Any]) -> Dataset:
    """A dataset with indices of what an iterable gives, kept in memory.

    >>> to_map_style_dataset(iter([(1, "a"), (2, "b")]))[1]
    (2, 'b')
    """
    return _Listed(iter_data)
