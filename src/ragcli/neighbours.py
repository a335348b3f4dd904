"""``--expand``: the text around a hit, from the same document, without saying anything twice.

Chunks know their place in the document, so that an overlap is cut by offsets, and the white space between them, so
that the joined text is the document's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ragcli.records import Hit, Json


def expand(hits: Sequence[Hit], documents: Mapping[str, Sequence[Json]], n: int) -> list[Hit]:
    """Return the hits with up to ``n`` chunks before and after each joined to its text.

    A neighbour that is a hit itself, or was given to a better hit, is not repeated. ``start`` and ``end`` then
    are those of the longer text; the extra ``core`` says where the chunk that was found stands in it.

    Args:
        hits: best first.
        documents: all chunks of each hit's document by document id, in order of their place.
        n: chunks on each side.
    """
    taken = {hit.id for hit in hits}
    given: dict[str, list[tuple[int, int]]] = {}  # what was given of each document, as slices of it
    expanded = []
    for hit in hits:
        chunks = documents.get(hit.document_id, ())
        place = next((at for at, chunk in enumerate(chunks) if chunk["id"] == hit.id), None)
        if place is None:
            expanded.append(hit)
            continue
        first = last = place
        while first > 0 and place - first < n and chunks[first - 1]["id"] not in taken:
            first -= 1
            taken.add(chunks[first]["id"])
        while last + 1 < len(chunks) and last - place < n and chunks[last + 1]["id"] not in taken:
            last += 1
            taken.add(chunks[last]["id"])
        joined = _join(hit, chunks[first : last + 1]) if last > first else hit
        before = given.setdefault(hit.document_id, [])
        joined = _cut(joined, hit, before)
        before.append((joined.start, joined.end))
        expanded.append(joined)
    return expanded


def _cut(joined: Hit, hit: Hit, given: Sequence[tuple[int, int]]) -> Hit:
    """Leave out of the text around a hit what was given with a better one; the hit itself stays whole."""
    start, end = joined.start, joined.end
    for low, high in given:
        if low < hit.start and high > start:
            start = min(max(start, high), hit.start)
        if high > hit.end and low < end:
            end = max(min(end, low), hit.end)
    if (start, end) == (joined.start, joined.end):
        return joined
    core = {"start": hit.start - start, "end": hit.end - start}
    text = joined.text[start - joined.start : end - joined.start]
    return replace(joined, text=text, start=start, end=end, extra={**joined.extra, "core": core})


def _join(hit: Hit, chunks: Sequence[Json]) -> Hit:
    text = ""
    start = end = int(chunks[0]["start"])
    after = ""
    pages: dict[int, None] = {}
    for chunk in chunks:
        if chunk["end"] > end or not text:
            gap = max(0, chunk["start"] - end)
            # A table that holds no such white space (another tool's chunks) gets line ends.
            between = after if len(after) == gap else "\n" * gap
            text += between + chunk["text"][max(0, end - chunk["start"]) :]
            end = chunk["end"]
        after = chunk["after"]
        pages.update(dict.fromkeys(chunk["pages"]))
    core = {"start": hit.start - start, "end": hit.end - start}
    return replace(
        hit,
        text=text,
        start=start,
        end=end,
        pages=sorted(pages),
        header=chunks[0]["header"],
        extra={**hit.extra, "core": core},
    )
