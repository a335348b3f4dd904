"""``--expand``: the text around a hit, from the same document, without saying anything twice.

Chunks know their place in the document, so that an overlap is cut by offsets. What the splitter dropped between
two chunks is white space; it comes back as line ends, so that offsets stay true.
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
        expanded.append(_join(hit, chunks[first : last + 1]) if last > first else hit)
    return expanded


def _join(hit: Hit, chunks: Sequence[Json]) -> Hit:
    text = ""
    start = end = int(chunks[0]["start"])
    pages: dict[int, None] = {}
    for chunk in chunks:
        if chunk["end"] > end or not text:
            gap = max(0, chunk["start"] - end)
            text += "\n" * gap + chunk["text"][max(0, end - chunk["start"]) :]
            end = chunk["end"]
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
