"""Tokenisers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["get_tokenizer", "interleave_keys", "ngrams_iterator"]


def _basic_english(text: str) -> list[str]:
    """Lower case; . , ( ) ! ? ' are tokens of their own; " is left out, and ; : and <br /> split.

    >>> _basic_english("You can, now; it's NEW!")
    ['you', 'can', ',', 'now', 'it', "'", 's', 'new', '!']
    """
    from rushlight import _data

    return _data.basic_english(text)


def get_tokenizer(tokenizer: str | Callable | None, language: str = "en") -> Callable[[str], Any]:
    """A function from a text to its tokens.

    Args:
        tokenizer: ``"basic_english"``; None for splitting at white space; ``"spacy"``, ``"moses"``, ``"toktok"`` or
            ``"revtok"`` where that package is installed; or a function, which is returned.

    >>> get_tokenizer("basic_english")("Hello, World!")
    ['hello', ',', 'world', '!']
    """
    if tokenizer is None:
        return str.split
    if tokenizer == "basic_english":
        if language != "en":
            raise ValueError("Basic normalization is only available for Enlish(en)")
        return _basic_english
    if callable(tokenizer):
        return tokenizer
    try:
        return _from_package(tokenizer, language)
    except ImportError as error:
        raise ImportError(f"get_tokenizer: {tokenizer!r} needs a package that is not installed: {error}") from None


def _from_package(name: str, language: str) -> Callable[[str], Any]:
    if name == "spacy":
        import spacy  # type: ignore[import-not-found]

        pipeline = spacy.load(language)
        return lambda text: [token.text for token in pipeline.tokenizer(text)]
    if name == "moses":
        from sacremoses import MosesTokenizer  # type: ignore[import-not-found]

        return MosesTokenizer().tokenize
    if name == "toktok":
        from nltk.tokenize.toktok import ToktokTokenizer  # type: ignore[import-not-found]

        return ToktokTokenizer().tokenize
    if name == "revtok":
        import revtok  # type: ignore[import-not-found]

        return revtok.tokenize
    raise ValueError(
        f'Requested tokenizer {name}, valid choices are a callable that takes a single string as input, "basic_english", '
        '"revtok", "spacy", "moses" and "toktok".'
    )


def ngrams_iterator(token_list: list[str], ngrams: int) -> Iterator[str]:
    """The tokens, then pairs of neighbours joined by a space, then threes, ... up to `ngrams`.

    >>> list(ngrams_iterator(["here", "we", "are"], 2))
    ['here', 'we', 'are', 'here we', 'we are']
    """
    yield from token_list
    for n in range(2, ngrams + 1):
        for start in range(len(token_list) - n + 1):
            yield " ".join(token_list[start : start + n])


def interleave_keys(a: int, b: int) -> int:
    """A number whose bits are those of two in turn, so that sorting by it sorts by both."""
    width = max(a.bit_length(), b.bit_length(), 1)
    first, second = format(a, f"0{width}b"), format(b, f"0{width}b")
    return int("".join(x + y for x, y in zip(first, second, strict=True)), base=2)
