"""Text on its way into a model: vocabularies, tokenisers, padding, batches of texts of like length. It has torchtext's names.

>>> import rushlight as torch
>>> from rushlight import text
>>> tokenize = text.data.get_tokenizer("basic_english")
>>> lines = ["You can now install it!", "It is new."]
>>> vocab = text.vocab.build_vocab_from_iterator(map(tokenize, lines), specials=["<pad>", "<unk>"])
>>> vocab.set_default_index(vocab["<unk>"])
>>> text.functional.to_tensor([vocab(tokenize(line)) for line in lines], padding_value=0)
tensor([[10,  5,  9,  6,  2,  3],
        [ 2,  7,  8,  4,  0,  0]])
"""

import importlib
import sys

from .. import _missing

__all__ = ["data", "functional", "transforms", "utils", "vocab"]
__version__ = "0.18.0"  # the torchtext whose names these are

_PARTS = frozenset(__all__)


def __getattr__(name: str):
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    raise _missing.missing_name(sys.modules[__name__], name)


def disable_torchtext_deprecation_warning() -> None:
    """There is none."""
