"""Learning a tokeniser of one's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["train_byte_pairs"]


def train_byte_pairs(
    texts: Iterable[str],
    folder: Any,
    vocab_size: int = 30_000,
    min_frequency: int = 2,
    special_tokens: Iterable[str] = (),
) -> tuple[Path, Path]:
    """Learns GPT-2's byte pairs of texts, and writes ``vocab.json`` and ``merges.txt`` into a folder, which GPT2BPETokenizer reads.

    Again and again the two tokens that stand side by side most often become one, until there are `vocab_size` tokens or none is there
    `min_frequency` times. Numbers are: the special tokens, the 256 bytes, what was joined. Returns the two paths.

    >>> import tempfile
    >>> from rushlight.text.transforms import GPT2BPETokenizer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tokenizer = GPT2BPETokenizer(*train_byte_pairs(["low lower lowest"] * 9, folder, 262), return_tokens=True)
    >>> tokenizer("lower low")
    ['low', 'e', 'r', 'Ġlow']
    """
    from rushlight import _data

    tokens, merges = _data.learn_byte_pairs(list(texts), vocab_size, min_frequency, list(special_tokens))
    folder = Path(folder)
    os.makedirs(folder, exist_ok=True)
    vocab, pairs = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps({token: number for number, token in enumerate(tokens)}, ensure_ascii=False), "utf-8")
    pairs.write_text("#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges), "utf-8")
    return vocab, pairs
