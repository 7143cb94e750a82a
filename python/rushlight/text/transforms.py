"""Transforms of texts, as modules that can stand in a Sequential."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import rushlight as rl

from .. import _missing, nn
from . import functional as F
from .vocab import Vocab

__all__ = [
    "AddToken",
    "BERTTokenizer",
    "GPT2BPETokenizer",
    "LabelToIndex",
    "PadTransform",
    "RegexTokenizer",
    "Sequential",
    "StrToIntTransform",
    "ToTensor",
    "Truncate",
    "VocabTransform",
]


class VocabTransform(nn.Module):
    """The numbers of tokens, of one text or of several.

    >>> VocabTransform(Vocab(["a", "b"]))([["b", "a"], ["a"]])
    [[1, 0], [0]]
    """

    def __init__(self, vocab: Vocab) -> None:
        super().__init__()
        self.vocab = vocab

    def forward(self, input: Any) -> Any:
        if not isinstance(input, list):
            raise TypeError(
                f"VocabTransform: expected a list of tokens or of lists of them, got {type(input).__name__}"
            )
        if input and isinstance(input[0], list):
            return [self.vocab.lookup_indices(tokens) for tokens in input]
        return self.vocab.lookup_indices(input)


class ToTensor(nn.Module):
    """functional.to_tensor() as a module.

    >>> ToTensor(padding_value=0)([[1, 2], [3]]).tolist()
    [[1, 2], [3, 0]]
    """

    def __init__(self, padding_value: int | None = None, dtype: Any = rl.int64) -> None:
        super().__init__()
        self.padding_value, self.dtype = padding_value, dtype

    def forward(self, input: Any) -> rl.Tensor:
        return F.to_tensor(input, padding_value=self.padding_value, dtype=self.dtype)


class LabelToIndex(nn.Module):
    """The numbers of labels.

    Args:
        label_names: the labels in the order of their numbers.
        label_path: a file with a label a line, instead.
        sort_names: whether to sort them first.

    >>> LabelToIndex(["bad", "good"])(["good", "bad"])
    [1, 0]
    """

    def __init__(
        self, label_names: Iterable[str] | None = None, label_path: str | None = None, sort_names: bool = False
    ) -> None:
        super().__init__()
        if (label_names is None) == (label_path is None):
            raise ValueError("LabelToIndex: expected one of label_names and label_path")
        names = list(label_names) if label_names is not None else Vocab.from_file(label_path).get_itos()
        self._vocab = Vocab(sorted(names) if sort_names else names)

    def forward(self, input: Any) -> Any:
        if isinstance(input, str):
            return self._vocab[input]
        return self._vocab.lookup_indices(input)

    @property
    def label_names(self) -> list[str]:
        return self._vocab.get_itos()


class Truncate(nn.Module):
    """functional.truncate() as a module."""

    def __init__(self, max_seq_len: int) -> None:
        super().__init__()
        self.max_seq_len = max_seq_len

    def forward(self, input: Any) -> Any:
        return F.truncate(input, self.max_seq_len)


class AddToken(nn.Module):
    """functional.add_token() as a module."""

    def __init__(self, token: int | str, begin: bool = True) -> None:
        super().__init__()
        self.token, self.begin = token, begin

    def forward(self, input: Any) -> Any:
        return F.add_token(input, self.token, self.begin)


class PadTransform(nn.Module):
    """Pads the last dimension of a tensor to a fixed length; longer ones stay.

    >>> PadTransform(max_length=4, pad_value=0)(rl.tensor([[1, 2]]))
    tensor([[1, 2, 0, 0]])
    """

    def __init__(self, max_length: int, pad_value: int) -> None:
        super().__init__()
        self.max_length, self.pad_value = max_length, float(pad_value)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        missing = self.max_length - x.size(-1)
        return nn.functional.pad(x, (0, missing), value=self.pad_value) if missing > 0 else x


class StrToIntTransform(nn.Module):
    """functional.str_to_int() as a module."""

    def forward(self, input: Any) -> Any:
        return F.str_to_int(input)


class _Tokenizer(nn.Module):
    """What the tokenisers of rushlight._data have in common. Calls give texts of numbers, as torchtext's do, `encode()` numbers."""

    _made: Any
    _return_tokens: bool

    @property
    def is_jitable(self) -> bool:
        return False

    def forward(self, input: Any) -> Any:
        """Of a text its tokens, or their numbers as texts ("1532"); of a list of texts a list of these."""
        if isinstance(input, (list, tuple)):
            if self._return_tokens:
                return [self._made.tokens(text) for text in input]
            return [[str(number) for number in numbers] for numbers in self._made.encode_all(list(input))]
        if not isinstance(input, str):
            raise TypeError(f"{type(self).__name__}: expected a str or a list of them, got {type(input).__name__}")
        return self._made.tokens(input) if self._return_tokens else [str(number) for number in self._made.encode(input)]

    def encode(self, input: Any) -> list:
        """The numbers of a text's tokens; of a list of texts a list of these, found by several threads."""
        return self._made.encode(input) if isinstance(input, str) else self._made.encode_all(list(input))

    @property
    def vocab(self) -> Vocab:
        """The tokens and their numbers."""
        return Vocab([token or f"<unused {number}>" for number, token in enumerate(self._made.vocabulary())])

    def __prepare_scriptable__(self) -> Any:
        return self

    def __getstate__(self) -> dict:
        return {k: v for k, v in self.__dict__.items() if k != "_made"}

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self._make()

    def _make(self) -> None:
        raise NotImplementedError


class BERTTokenizer(_Tokenizer):
    """BERT's tokens: words in small letters without accents, cut into the longest pieces that the vocabulary has.

    Args:
        vocab_path: a file with a token a line (``vocab.txt``), or a list of tokens.
        do_lower_case: whether capitals become small.
        strip_accents: whether accents go. Default: as do_lower_case.
        return_tokens: calls give tokens, not their numbers as texts.
        never_split: words that stay as they are. Default: ``[UNK] [SEP] [PAD] [CLS] [MASK]``.
        unk_token: what stands for words that have no pieces.
        tokenize_chinese_chars: whether each Chinese character is a word.

    Raises RuntimeError that names the line where the file is damaged.

    >>> tokenizer = BERTTokenizer(["[UNK]", "un", "##aff", "##able", "!"], return_tokens=True)
    >>> tokenizer("Unaffable!"), tokenizer.encode("Unaffable!")
    (['un', '##aff', '##able', '!'], [1, 2, 3, 4])
    """

    def __init__(
        self,
        vocab_path: Any,
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        return_tokens: bool = False,
        never_split: list[str] | None = None,
        *,
        unk_token: str = "[UNK]",
        tokenize_chinese_chars: bool = True,
    ) -> None:
        super().__init__()
        self._return_tokens = return_tokens
        kept = ["[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"] if never_split is None else list(never_split)
        self._arguments = (vocab_path, do_lower_case, strip_accents, tokenize_chinese_chars, kept, unk_token, "##", 100)
        self._make()

    def _make(self) -> None:
        from rushlight import _data

        self._made = _data.WordPieces(*self._arguments)
        if not isinstance(self._arguments[0], list):  # so that copies in other processes need no file
            self._arguments = (self._made.vocabulary(), *self._arguments[1:])


class GPT2BPETokenizer(_Tokenizer):
    """GPT-2's tokens: byte pairs.

    Args:
        encoder_json_path: a file of tokens and numbers (``vocab.json`` or ``encoder.json``).
        vocab_bpe_path: a file of the pairs that are joined, two tokens a line (``merges.txt`` or ``vocab.bpe``).
        return_tokens: calls give tokens, not their numbers as texts.
        unk_token: the token that stands for bytes that have none. Default: such a byte is an error.
        special_tokens: tokens of the vocabulary that a text has as they are, such as ``<|endoftext|>``. Default: none, a text that has
            such characters is a text like any other.

    utils.train_byte_pairs() makes the two files. Raises RuntimeError that names the line where a file is damaged.
    """

    def __init__(
        self,
        encoder_json_path: Any,
        vocab_bpe_path: Any,
        return_tokens: bool = False,
        *,
        unk_token: str | None = None,
        special_tokens: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self._return_tokens = return_tokens
        self._arguments = _kept(encoder_json_path), _kept(vocab_bpe_path)
        self._unknown, self._specials = unk_token, list(special_tokens)
        self._make(encoder_json_path, vocab_bpe_path)  # errors name the files

    def _make(self, *paths: Any) -> None:
        from rushlight import _data

        self._made = _data.BytePairs(*(paths or self._arguments), self._unknown, self._specials)

    def decode(self, tokens: Iterable[int | str]) -> str:
        """The text of numbers. Bytes that are no UTF-8 are replaced."""
        return self._made.decode([int(number) for number in tokens])


def _kept(path: Any) -> bytes:
    """The file, so that copies in other processes need it no more."""
    if isinstance(path, (bytes, bytearray)):
        return bytes(path)
    with open(path, "rb") as file:
        return file.read()


class RegexTokenizer(nn.Module):
    """Replaces patterns one after the other, and splits at white space.

    >>> RegexTokenizer([(r"([.,])", r" \\1 "), (r"\\s+", " ")])("Hi, you.")
    ['Hi', ',', 'you', '.']
    """

    def __init__(self, patterns_list: list[tuple[str, str]]) -> None:
        super().__init__()
        self.patterns = [(re.compile(pattern), replacement) for pattern, replacement in patterns_list]

    @property
    def is_jitable(self) -> bool:
        return False

    def forward(self, line: str) -> list[str]:
        for pattern, replacement in self.patterns:
            line = pattern.sub(replacement, line)
        return line.split()


class Sequential(nn.Sequential):
    """Transforms one after the other.

    >>> Sequential(VocabTransform(Vocab(["<s>", "a", "b"])), AddToken(0), ToTensor(0))([["a", "b"], ["b"]])
    tensor([[0, 1, 2],
            [0, 2, 0]])
    """

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input


__getattr__ = _missing.getattr_of(__name__)
