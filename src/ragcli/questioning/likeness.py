"""Which documents are alike: copies, versions and texts that hold one another, by the runs of words they share.

A text is known by a sample of its shingles (six words or Chinese characters in a row): those whose hash is smallest.
Two samples tell how much of the smaller text stands in the other, as far as both reach (KMV sketches).
"""

from __future__ import annotations

import heapq
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from ragcli.evaluation.normalising import fold

_ALIKE = 0.3  # of the smaller text's shingles in the other
_FEW = 3  # fewer shared ones say nothing, unless they are all there are
_SHINGLE = 6
_MOST = 512
_WHOLE = 1 << 32
_TOKEN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W_\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
# What tells the versions of a file apart in its name, and nothing else.
_VERSION = re.compile(
    r"[\s_\-.(（\[]*(?:(?:v|ver|version|rev|revision|版本?|第)[\s._-]*\d+(?:\.\d+)*[版稿]?|copy(?:\s*\d+)?|final|draft|old|new|latest|bak"
    r"|副本|终稿|定稿|草稿|初稿|旧版?|新版?|最新版?|修订版?|备份)[)）\]]*(?=$|[\s_\-.(（\[])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sketch:
    """A sample of a text's shingles: all of them with a hash below ``limit``."""

    hashes: frozenset[int]
    limit: int = _WHOLE


def sketch(texts: Iterable[str]) -> Sketch:
    """Return the sample of a document, given in pieces."""
    hashes: set[int] = set()
    limit = _WHOLE
    for text in texts:
        tokens = _TOKEN.findall(fold(text))
        for at in range(max(1, len(tokens) - _SHINGLE + 1)):
            one = zlib.crc32(" ".join(tokens[at : at + _SHINGLE]).encode("utf-8", "surrogatepass"))
            if one < limit:
                hashes.add(one)
        if len(hashes) > _MOST:
            kept = heapq.nsmallest(_MOST, hashes)
            limit = kept[-1]
            hashes = set(kept[:-1])
    return Sketch(frozenset(hashes), limit)


def is_alike(one: Sketch, other: Sketch) -> bool:
    """Whether a good part of the smaller of two texts stands in the other, as far as the samples tell."""
    limit = min(one.limit, other.limit)
    mine = one.hashes if one.limit == limit else {value for value in one.hashes if value < limit}
    theirs = other.hashes if other.limit == limit else {value for value in other.hashes if value < limit}
    least = min(len(mine), len(theirs))
    shared = len(mine & theirs)
    return shared >= _ALIKE * least if shared >= _FEW else least > 0 and shared == least


def stem_of(source: str) -> str:
    """Return a source without what tells its versions apart: a/manual-v2.pdf and a/manual (copy).docx are one."""
    path, _, fragment = source.partition("#")
    *folders, name = re.split(r"[/\\]", path)
    bare = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)
    while (shorter := _VERSION.sub("", bare)) != bare:
        bare = shorter
    return f"{'/'.join(folders)}/{fold(bare) or fold(name)}#{fragment}"
