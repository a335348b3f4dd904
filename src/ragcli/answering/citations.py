"""Citations: from a slice of a hit to the exact quote, its page and its place in the document. Pure functions.

Nothing is searched for: a quote is cut from the hit by its offsets, and a chunk's own offsets say where that is
in the document. So ``document.text[citation.start:citation.end] == citation.quote`` holds by construction
wherever ``document.text[chunk.start:chunk.end] == chunk.text`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragcli.answering.protocols import Quote
from ragcli.records import Citation, Hit


def cite(n: int, hit: Hit, start: int, end: int) -> Citation:
    """Return the citation ``[n]`` of ``hit.text[start:end]``.

    A chunk may run over several pages and does not say where one ends: the citation then gives the first as
    ``page`` and all of them in its extra ``pages``.

    Raises:
        ValueError: the offsets are no slice of the hit's text, or an empty one; that is a bug of the answerer.
    """
    if not 0 <= start < end <= len(hit.text):
        raise ValueError(f"[{start}:{end}] is no slice of chunk {hit.id}, which has {len(hit.text)} characters")
    return Citation(
        n=n,
        chunk_id=hit.id,
        source=hit.source,
        quote=hit.text[start:end],
        page=hit.pages[0] if hit.pages else None,
        start=hit.start + start,
        end=hit.start + end,
        extra={"pages": list(hit.pages)} if len(hit.pages) > 1 else {},
    )


def citations(hits: Sequence[Hit], quotes: Sequence[Quote]) -> list[Citation]:
    """Return the citations of a reply, numbered from 1 in the order of its quotes where they have no number."""
    made = []
    for place, quote in enumerate(quotes, 1):
        one = cite(place if quote.n is None else quote.n, hits[quote.hit], quote.start, quote.end)
        made.append(replace(one, extra={**one.extra, **quote.extra}) if quote.extra else one)
    return made


def marker(n: int) -> str:
    """Return the marker that stands for citation ``n`` in an answer's text."""
    return f"[{n}]"


def quoted(text: str) -> str:
    """Return a quote as it stands in an answer: brackets of the source that look like markers are round, ``(12)``."""
    if not any(bracket in text for bracket in "[［【〔〖"):
        return text
    from ragcli.answering.markers import unmarked  # its patterns take 20 ms to load

    return unmarked(text)
