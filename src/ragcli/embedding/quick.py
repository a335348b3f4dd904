"""A tokenizer that starts at once: for a few short texts it is made of the pieces that occur in them.

A unigram model chooses among the pieces that are part of the text, so that a model of these pieces alone gives
the same tokens; the library does the work either way. After so many characters that it would have cost less, the
whole vocabulary is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from ragcli.embedding.tokens import load_tokenizer
from ragcli.models.pieces import Pieces

# 3.5 microseconds a character in pieces, .7 and half a second at the start in the whole vocabulary.
_MOST_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """The ids of a text."""

    ids: list[int]


class QuickTokenizer:
    """What ``tokenizers.Tokenizer.encode`` gives for a folder that holds ``pieces``, without its half second.

    May be used by several threads.

    Args:
        folder: the model's folder.

    Raises:
        ModelError: ``tokenizer.json`` is missing or damaged; said when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._characters = 0
        self._lock = Lock()
        self._whole: Any = None
        self._few: Any = None
        try:
            self._pieces = Pieces(folder)
            from tokenizers import Tokenizer

            self._few = Tokenizer.from_str(json.dumps(self._pieces.tokenizer, ensure_ascii=False))
        except Exception:  # noqa: BLE001  # no pieces, or damaged: the whole vocabulary says what is wrong
            self._whole = load_tokenizer(folder)

    def encode(self, text: str, add_special_tokens: bool = True) -> Any:
        """Return an object with the ``ids`` of a text."""
        with self._lock:
            self._characters += len(text)
            if self._whole is None and (
                self._characters > _MOST_CHARACTERS
                or any(mark in text for mark in self._pieces.marks)  # they are tokens wherever they stand
            ):
                self._whole = load_tokenizer(self._folder)
            if self._whole is None:
                return self._from_pieces(text, add_special_tokens)
        return self._whole.encode(text, add_special_tokens=add_special_tokens)

    def _from_pieces(self, text: str, add_special_tokens: bool) -> Tokens:
        from tokenizers.models import Unigram

        few = self._few
        normal = few.normalizer.normalize_str(text)
        words = {word for word, _ in few.pre_tokenizer.pre_tokenize_str(normal)}
        ids, vocabulary = self._pieces.within(words)
        few.model = Unigram(vocabulary, unk_id=3, byte_fallback=False)
        return Tokens(ids[few.encode(text, add_special_tokens=add_special_tokens).ids].tolist())
