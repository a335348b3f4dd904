"""Other ways to cut, tried on the documents concerned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from ragcli.diagnosing.documents import Stored
from ragcli.diagnosing.sources import Sources
from ragcli.diagnosing.texts import Place
from ragcli.records import Chunk, Document
from ragcli.splitting import split
from ragcli.splitting.stage import DEFAULT_SIZE

if TYPE_CHECKING:
    from ragcli.diagnosing.stage import Chain
    from ragcli.splitting import TokenCounter
    from ragcli.store import Table

Settings = dict[str, str]


def cutting(now: Settings) -> Iterator[Settings]:
    """Yield other settings of the splitter, those that change least first.

    Args:
        now: size, overlap and unit; a node parser has options of its own, of which none is tried.
    """
    if "splitter" in now:
        return
    size, overlap = int(now.get("size", DEFAULT_SIZE)), int(now.get("overlap", 0))
    unit = {"unit": "tokens"} if now.get("unit") == "tokens" else {}
    for new_size, new_overlap in (
        (size, max(overlap, size // 4)),
        (size, max(overlap, size // 2)),
        (size * 2, overlap),
        (size * 2, max(overlap, size // 2)),
        (size * 4, max(overlap, size)),
    ):
        if (new_size, new_overlap) != (size, overlap) and new_overlap < new_size:
            yield {"size": str(new_size), "overlap": str(new_overlap), **unit}


def reads_whole(document: Stored, chain: Chain, place: Place, settings: Settings) -> bool:
    """Whether a chunk holds an answer when its document is cut with other settings."""
    return any(
        chunk.start <= place.start and place.end <= chunk.end
        for chunk in cut([original(document, chain.sources)], settings, counter_of(chain.table, settings))
    )


def original(document: Stored, sources: Sources) -> Document:
    """Return a document as it was loaded, where its file is there and unchanged; else as the table has it."""
    for other, _ in sources.reread(document.source).documents:
        if other.text == document.text.text:
            return other
    return document.document()


def counter_of(table: Table, settings: Settings) -> TokenCounter | None:
    """Return what counts tokens where settings count them."""
    return _counter(str(table.contract["model"]["id"])) if settings.get("unit") == "tokens" else None


@lru_cache(maxsize=2)
def _counter(model: str) -> TokenCounter:
    from ragcli.embedding import token_counter

    return token_counter(model)


def cut(documents: Iterable[Document], settings: Settings, counter: TokenCounter | None) -> Iterator[Chunk]:
    """Cut documents with these settings; sizes in tokens are at most what the model reads."""
    size, overlap = int(settings["size"]), int(settings.get("overlap", 0))
    if counter is None:
        return split(documents, size=size, overlap=overlap)
    size = min(size, counter.limit)
    return split(documents, size=size, overlap=min(overlap, size - 1), unit="tokens", count=counter)
