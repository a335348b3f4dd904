"""SentencePiece's normalisation as ``tokenizer.json`` carries it: a trie of what to replace, and the replacements.

The layout is that of the ``Precompiled`` normaliser: the trie's size in bytes (uint32), the trie (a double array
of uint32, as darts-clone writes it), then the replacements, each ended by NUL; a leaf's value is the place of its
replacement. A unit is ``offset << 10 | has_leaf << 8 | label``; the unit of a leaf is ``1 << 31 | value``. From a
unit at ``p``, the child of byte ``b`` is at ``p ^ offset ^ b``, and the leaf at ``p ^ offset``.
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Mapping

_HAS_LEAF = 1 << 8
_LEAF = 1 << 31
_LONGEST = 5  # bytes: the normaliser looks a cluster of characters up as a whole only below 6
_LAST = 0x2300  # Latin, Greek, Cyrillic, signs: what is composed there does not change any more


def compositions() -> dict[str, str]:
    """Return short sequences of a letter and its accents, and the one character that each becomes."""
    found: dict[str, str] = {}
    for code in range(0xC0, _LAST):
        letter = chr(code)
        parts = unicodedata.decomposition(letter)
        if not parts or parts.startswith("<") or unicodedata.normalize("NFC", letter) != letter:
            continue
        for sequence in (unicodedata.normalize("NFD", letter), "".join(chr(int(one, 16)) for one in parts.split())):
            if len(sequence) > 1 and len(sequence.encode()) <= _LONGEST:
                found[sequence] = letter
    return found


def charsmap(replacements: Mapping[str, str]) -> bytes:
    """Return the trie and the replacements as bytes.

    Args:
        replacements: text without NUL -> what stands for it.
    """
    texts = bytearray()
    places: dict[str, int] = {}
    root: dict[int, object] = {}
    for key, value in sorted(replacements.items()):
        if value not in places:
            places[value] = len(texts)
            texts += value.encode() + b"\0"
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})  # type: ignore[assignment]
        node[-1] = places[value]
    units = _double_array(root)
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + bytes(texts)


def _double_array(root: dict[int, object]) -> list[int]:
    units: list[int] = [0] * 256
    used = bytearray(256)
    used[0] = 1
    place = 0  # the search goes on from the last place: quick, at the price of some holes
    bases = {0}  # two nodes on one base would read each other's children
    waiting: list[tuple[int, dict[int, object]]] = [(0, root)] if root else []
    while waiting:
        at, node = waiting.pop()
        # 1. Find a base whose places for the leaf (0) and all children are free.
        labels = [0 if byte < 0 else byte for byte in node]
        while True:
            place += 1
            base = place ^ labels[0]
            while (base | 255) >= len(units):
                units += [0] * 256
                used += bytes(256)
            if base not in bases and not any(used[base ^ label] for label in labels):
                break
        bases.add(base)
        # 2. Say in the parent where they are, and write them.
        offset = at ^ base
        assert offset < 1 << 21
        units[at] |= offset << 10 | (_HAS_LEAF if -1 in node else 0)
        for byte, child in node.items():
            position = base ^ max(byte, 0)
            used[position] = 1
            if byte < 0:
                assert isinstance(child, int)
                units[position] = _LEAF | child
            else:
                assert isinstance(child, dict)
                units[position] = byte
                waiting.append((position, child))
    return units
