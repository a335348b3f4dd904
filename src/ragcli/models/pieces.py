"""A vocabulary that can be asked for the few pieces of a short text without reading all of it.

A quarter of a million pieces take .5 s to read as ``tokenizer.json``; a question needs a hundred of them. The
folder ``pieces`` holds, beside a tokenizer without vocabulary: ``keys`` (m,) uint64, sorted, the hash of each
piece and of each beginning of one, so that a search ends where no piece goes on; ``order`` (m,) uint32, the
piece of each key, or NONE where it only begins one; ``offsets`` (n + 1,) uint32 into ``text``; ``scores`` (n,)
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
NONE = 0xFFFF_FFFF
_KEPT = 100_000  # answers that are kept, of a few dozen bytes each
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
    whole = set(pieces)
    begun = {piece[:end] for piece in pieces[SPECIAL:] for end in range(1, len(piece))} - whole
    keys = _keys([*encoded, *(part.encode() for part in begun)])
    order = np.argsort(keys, kind="stable")
    numbers = np.concatenate([np.arange(len(encoded)), np.full(len(begun), NONE)]).astype(np.uint32)
    arrays = {
        "keys": keys[order],
        "order": numbers[order],
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
    about = {"marks": marks, "tokenizer": rest}
    (home / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


class Pieces:
    """The vocabulary that `write_pieces` wrote.

    Raises:
        OSError, ValueError, KeyError: a file is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        home = folder / FOLDER
        about = json.loads((home / "about.json").read_text(encoding="utf-8"))
        self.marks: list[str] = list(about["marks"])
        self.tokenizer: dict[str, Any] = about["tokenizer"]
        self._keys, self._order, self._offsets, self._scores, self._text = (
            np.asarray(np.load(home / f"{name}.npy", mmap_mode="r")) for name in _ARRAYS
        )
        if len(self._order) != len(self._keys) or len(self._offsets) != len(self._scores) + 1:
            raise ValueError(f"the arrays in {home} are not of one length")
        self._lowest = int(np.argmin(self._scores))
        self._known: dict[str, int] = {}
        self._pieces: dict[int, tuple[str, float]] = {}

    def within(self, words: Iterable[str]) -> tuple[Array, list[tuple[str, float]]]:
        """Return the ids (n,) and the (piece, score) of everything in the vocabulary that is part of a word.

        The special pieces come first, and the piece of the lowest score is always there: with them, a unigram
        model of these pieces cuts the words as that of all pieces does.
        """
        found = set(range(SPECIAL))
        # Level by level: the parts of one character, then of two, as long as a piece begins with them.
        alive = [(word, start) for word in words for start in range(len(word))]
        length = 0
        while alive:
            length += 1
            places = self._places({word[start : start + length] for word, start in alive})
            found.update(piece for piece in places.values() if SPECIAL <= piece < NONE)
            alive = [
                (word, start)
                for word, start in alive
                if start + length < len(word) and places[word[start : start + length]] >= 0
            ]
        found.add(self._lowest)
        ordered = sorted(found)
        if len(self._pieces) > _KEPT:
            self._pieces.clear()
        for one in ordered:
            if one not in self._pieces:
                self._pieces[one] = (self._bytes(one).decode(), float(self._scores[one]))
        return np.array(ordered), [self._pieces[one] for one in ordered]

    def _places(self, parts: set[str]) -> dict[str, int]:
        """Return the piece of each part, or NONE where it only begins one, or -1."""
        known = self._known
        new = [part for part in parts if part not in known]
        if new:
            if len(known) > _KEPT:
                known.clear()
                new = list(parts)
            encoded = [part.encode() for part in new]
            keys = _keys(encoded)
            places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
            pieces = np.where(self._keys[places] == keys, self._order[places].astype(np.int64), -1).tolist()
            for part, text, piece in zip(new, encoded, pieces, strict=True):
                known[part] = -1 if 0 <= piece < NONE and self._bytes(piece) != text else piece
        return {part: known[part] for part in parts}

    def _bytes(self, piece: int) -> bytes:
        return self._text[self._offsets[piece] : self._offsets[piece + 1]].tobytes()
