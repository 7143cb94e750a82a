"""Vocabularies: tokens and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ... import nn

__all__ = ["Vocab", "build_vocab_from_iterator", "vocab"]


class Vocab(nn.Module):
    """Tokens with the numbers 0, 1, ...

    Args:
        tokens: in the order of their numbers, each once; or another Vocab.

    >>> v = Vocab(["<unk>", "a", "b"])
    >>> v["b"], v(["a", "b"]), v.lookup_token(1), "c" in v
    (2, [1, 2], 'a', False)
    >>> v.set_default_index(0)
    >>> v["c"]
    0
    """

    def __init__(self, tokens: Any) -> None:
        super().__init__()
        tokens = tokens.get_itos() if isinstance(tokens, Vocab) else list(tokens)
        self._itos: list[str] = tokens
        self._stoi: dict[str, int] = {}
        for number, token in enumerate(tokens):
            if not isinstance(token, str):
                raise TypeError(f"Vocab: expected tokens of type str, got {type(token).__name__} as number {number}")
            if self._stoi.setdefault(token, number) != number:
                raise RuntimeError(
                    f"Duplicate token found in tokens list: {token}, as {self._stoi[token]} and {number}"
                )
        self._default: int | None = None

    @classmethod
    def from_file(cls, path: Any) -> Vocab:
        """Of a file with a token a line, as BERT's ``vocab.txt``, or of a ``.json`` of tokens and numbers, as GPT-2's.

        Raises RuntimeError that names the line where the file is damaged.
        """
        from rushlight import _data

        return cls(_data.read_vocabulary(path, str(path).endswith(".json")))

    @property
    def is_jitable(self) -> bool:
        return False

    def forward(self, tokens: list[str]) -> list[int]:
        """The numbers of tokens."""
        return self.lookup_indices(tokens)

    def __len__(self) -> int:
        return len(self._itos)

    def __contains__(self, token: str) -> bool:
        return token in self._stoi

    def __getitem__(self, token: str) -> int:
        """The number of a token; of one that is not there the default index, or RuntimeError without one."""
        number = self._stoi.get(token, self._default)
        if number is None:
            raise RuntimeError(
                f"Token {token} not found and default index is not set: call set_default_index(vocab['<unk>']) or the like"
            )
        return number

    def set_default_index(self, index: int | None) -> None:
        """The number of tokens that are not there; None: they are an error."""
        if index is not None and not isinstance(index, int):
            raise TypeError(f"set_default_index: expected an int or None, got {type(index).__name__}")
        self._default = index

    def get_default_index(self) -> int | None:
        return self._default

    def insert_token(self, token: str, index: int) -> None:
        """Puts a token at a number; those from there on move up by one."""
        if not 0 <= index <= len(self._itos):
            raise RuntimeError(f"Specified index {index} is out of bounds for vocab of size {len(self._itos)}")
        if token in self._stoi:
            raise RuntimeError(f"Token {token} already exists in the Vocab with index: {self._stoi[token]}")
        self._itos.insert(index, token)
        for number in range(index, len(self._itos)):
            self._stoi[self._itos[number]] = number

    def append_token(self, token: str) -> None:
        """Puts a token at the end."""
        if token in self._stoi:
            raise RuntimeError(f"Token {token} already exists in the Vocab with index: {self._stoi[token]}")
        self.insert_token(token, len(self._itos))

    def lookup_token(self, index: int) -> str:
        """The token of a number."""
        if not 0 <= index < len(self._itos):
            raise RuntimeError(f"Specified index {index} is out of bounds for vocab of size {len(self._itos)}")
        return self._itos[index]

    def lookup_tokens(self, indices: Iterable[int]) -> list[str]:
        return [self.lookup_token(index) for index in indices]

    def lookup_indices(self, tokens: Iterable[str]) -> list[int]:
        stoi, default = self._stoi, self._default
        if default is None:
            return [self[token] for token in tokens]
        return [stoi.get(token, default) for token in tokens]

    def get_stoi(self) -> dict[str, int]:
        return dict(self._stoi)

    def get_itos(self) -> list[str]:
        return list(self._itos)

    def __prepare_scriptable__(self) -> Vocab:
        return self


def vocab(
    ordered_dict: Mapping[str, int], min_freq: int = 1, specials: list[str] | None = None, special_first: bool = True
) -> Vocab:
    """A Vocab of tokens with their counts, in the order of the dictionary, of those that are there `min_freq` times.

    Args:
        specials: tokens that are added, before the others or behind them.

    >>> vocab({"b": 3, "a": 1, "c": 2}, min_freq=2, specials=["<unk>"]).get_itos()
    ['<unk>', 'b', 'c']
    """
    specials = list(specials or [])
    tokens = [token for token, count in ordered_dict.items() if count >= min_freq and token not in set(specials)]
    return Vocab(specials + tokens if special_first else tokens + specials)


def build_vocab_from_iterator(
    iterator: Iterable[Iterable[str]],
    min_freq: int = 1,
    specials: list[str] | None = None,
    special_first: bool = True,
    max_tokens: int | None = None,
) -> Vocab:
    """A Vocab of the tokens of texts, the most frequent first, equal ones in the order of the alphabet.

    Args:
        iterator: gives the tokens of one text after the other.
        max_tokens: how many to keep, with the specials.

    >>> build_vocab_from_iterator([["b", "a"], ["b"]], specials=["<unk>"]).get_itos()
    ['<unk>', 'b', 'a']
    """
    counts: Counter[str] = Counter()
    for tokens in iterator:
        counts.update(tokens)
    specials = list(specials or [])
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if max_tokens is not None:
        if len(specials) >= max_tokens:
            raise AssertionError("len(specials) >= max_tokens, so the vocab will be entirely special tokens.")
        ordered = ordered[: max_tokens - len(specials)]
    return vocab(dict(ordered), min_freq=min_freq, specials=specials, special_first=special_first)
