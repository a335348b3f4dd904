"""A vocabulary that can be asked for the few pieces of a short text without reading all of it.

A quarter of a million pieces take .5 s to read as ``tokenizer.json``; a question needs a hundred of them. The
folder ``pieces`` holds, beside a tokenizer without vocabulary: ``keys`` (n,) uint64, sorted, the hash of each
piece; ``order`` (n,) uint32, the piece of each key; ``offsets`` (n + 1,) uint32 into ``text``; ``scores`` (n,)
float32. They are mapped into memory, so that asking reads a few pages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = "pieces"
SPECIAL = 4  # the pieces at the front that are no text: <s>, <pad>, </s>, <unk>
_ARRAYS = ("keys", "order", "offsets", "scores", "text")
Array = np.ndarray[Any, Any]


def _key(piece: bytes) -> bytes:
    return hashlib.blake2b(piece, digest_size=8).digest()


def _keys(pieces: Iterable[bytes]) -> Array:
    return np.frombuffer(b"".join(map(_key, pieces)), "<u8")


def write_pieces(folder: Path, pieces: Sequence[str], scores: Array, tokenizer: dict[str, Any]) -> None:
    """Write a vocabulary into ``folder/pieces``.

    Args:
        folder: the model's folder.
        pieces: the pieces, in the order of their ids.
        scores: (n,) float32.
        tokenizer: the content of ``tokenizer.json``, with a unigram model.
    """
    home = folder / FOLDER
    home.mkdir(parents=True, exist_ok=True)
    encoded = [piece.encode() for piece in pieces]
    keys = _keys(encoded)
    order = np.argsort(keys, kind="stable")
    arrays = {
        "keys": keys[order],
        "order": order.astype(np.uint32),
        "offsets": np.cumsum([0, *map(len, encoded)]).astype(np.uint32),
        "scores": np.asarray(scores, np.float32),
        "text": np.frombuffer(b"".join(encoded), np.uint8),
    }
    for name in _ARRAYS:
        np.save(home / f"{name}.npy", arrays[name])
    model = {**tokenizer["model"], "vocab": tokenizer["model"]["vocab"][:SPECIAL]}
    added = [one for one in tokenizer["added_tokens"] if one["id"] < SPECIAL]
    marks = [one["content"] for one in tokenizer["added_tokens"]]
    rest = {**tokenizer, "model": model, "added_tokens": added}
    about = {"longest": max(map(len, pieces)), "marks": marks, "tokenizer": rest}
    (home / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


class Pieces:
    """The vocabulary that `write_pieces` wrote.

    Raises:
        OSError, ValueError, KeyError: a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        home = folder / FOLDER
        about = json.loads((home / "about.json").read_text(encoding="utf-8"))
        self.longest = int(about["longest"])
        self.marks: list[str] = list(about["marks"])
        self.tokenizer: dict[str, Any] = about["tokenizer"]
        self._keys, self._order, self._offsets, self._scores, self._text = (
            np.load(home / f"{name}.npy", mmap_mode="r") for name in _ARRAYS
        )
        count = len(self._keys)
        if (len(self._order), len(self._offsets), len(self._scores)) != (count, count + 1, count):
            raise ValueError(f"the arrays in {home} are not of one length")
        self._lowest = int(np.argmin(self._scores))

    def within(self, words: Iterable[str]) -> tuple[Array, list[tuple[str, float]]]:
        """Return the ids (n,) and the (piece, score) of everything in the vocabulary that is part of a word.

        The special pieces come first, and the piece of the lowest score is always there: with them, a unigram
        model of these pieces cuts the words as that of all pieces does.
        """
        parts = {
            word[start:end]
            for word in words
            for start in range(len(word))
            for end in range(start + 1, min(start + self.longest, len(word)) + 1)
        }
        asked = [part.encode() for part in sorted(parts)]
        found = list(range(SPECIAL))
        if asked:
            keys = _keys(asked)
            places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            same = np.flatnonzero(self._keys[places] == keys)
            for at in same.tolist():
                piece = int(self._order[places[at]])
                if piece >= SPECIAL and self._bytes(piece) == asked[at]:
                    found.append(piece)
        if self._lowest not in found:
            found.append(self._lowest)
        return np.array(found), [(self._bytes(one).decode(), float(self._scores[one])) for one in found]

    def _bytes(self, piece: int) -> bytes:
        return bytes(self._text[self._offsets[piece] : self._offsets[piece + 1]])
