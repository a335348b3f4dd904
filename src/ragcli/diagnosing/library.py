"""What a table holds, as the first steps look at it: which chunks hold an answer, and which documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ragcli.diagnosing.commands import file_of
from ragcli.diagnosing.documents import Stored, stored
from ragcli.diagnosing.texts import Place
from ragcli.embedding.stage import passage_text
from ragcli.evaluation.normalising import fold, holds
from ragcli.evaluation.relevance import Collection
from ragcli.records import Case, Hit, Json

if TYPE_CHECKING:
    from ragcli.store import Table

_MOST_NAMES = 20_000  # that are compared with a name
_MOST_ELSEWHERE = 200  # chunks whose documents are named
_AT_ONCE = 100  # documents that are read from the table together


class Library:
    """The chunks and documents of a table.

    Args:
        table: the table.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.collection = Collection(table)
        self._at = {piece.id: at for at, piece in enumerate(self.collection.pieces)}
        self._folded: dict[int, str] = {}
        self._documents: dict[str, Stored] = {}
        self._files: dict[str, list[int]] | None = None

    def of_source(self, source: str | None) -> Sequence[int]:
        """Return the places of a source's chunks in the collection; all where none is named.

        A file that is in the table as rows, members or attachments alone is all of these.
        """
        if source is None:
            return range(len(self.collection.pieces))
        return self.collection.of_source(source) or self._of_file(source)

    def _of_file(self, file: str) -> Sequence[int]:
        if self._files is None:
            self._files = {}
            for row in self.table.scan(["id", "source"]):
                if (name := file_of(row["source"])) != row["source"]:
                    self._files.setdefault(name, []).append(self._at[row["id"]])
        return sorted(self._files.get(file, ()))

    def sources(self) -> list[str]:
        """Return the files of the table's documents."""
        return sorted({file_of(str(row["source"])) for row in self.table.scan(["source"])})

    def gold(self, case: Case) -> list[str]:
        """Return the ids of the chunks (of the case's source) that hold one of its answers."""
        return self.holding(case.answers, self.of_source(case.source))

    def holding(self, answers: Sequence[str], places: Iterable[int]) -> list[str]:
        """Return the ids of the chunks at these places that hold one of the answers."""
        wanted = [one for one in map(fold, answers) if one]
        out = []
        for at in places:
            if at not in self._folded:
                self._folded[at] = fold(self.collection.pieces[at].text)
            if holds(self._folded[at], wanted):
                out.append(self.collection.pieces[at].id)
        return out

    def joined(self, case: Case, hits: Iterable[Hit]) -> list[str]:
        """Return the ids of hits of the case's source that hold an answer, with the neighbours joined to them."""
        wanted = [one for one in map(fold, case.answers) if one]
        expanded = [hit for hit in hits if "core" in hit.extra and hit.id in self._at]
        if not wanted or not expanded:
            return []
        places = self.of_source(case.source)
        own = places if isinstance(places, range) else frozenset(places)
        return [hit.id for hit in expanded if self._at[hit.id] in own and holds(fold(passage_text(hit)), wanted)]

    def documents(self, places: Iterable[int]) -> list[Stored]:
        """Return the documents of the chunks at these places, put together."""
        wanted = list(dict.fromkeys(self.collection.pieces[at].document_id for at in places))
        missing = [one for one in wanted if one not in self._documents]
        for start in range(0, len(missing), _AT_ONCE):
            found = self.table.chunks_of(missing[start : start + _AT_ONCE])
            self._documents.update({name: stored(rows) for name, rows in found.items() if rows})
        return [self._documents[one] for one in wanted if one in self._documents]

    def where(self, answers: Sequence[str], documents: Sequence[Stored]) -> list[tuple[Stored, Place]]:
        """Return where the answers stand in documents, within a chunk or across several."""
        return [(document, place) for document in documents for place in document.text.places(answers)]

    def elsewhere(self, case: Case) -> list[str]:
        """Return the names of documents that hold an answer of a case and are not of its source."""
        own = set(self.of_source(case.source))
        found = self.holding(case.answers, (at for at in range(len(self.collection.pieces)) if at not in own))
        places = sorted(self._at[one] for one in found)[:_MOST_ELSEWHERE]
        return sorted({document.source for document in self.documents(places)})

    def names_like(self, source: str) -> list[str]:
        """Return names of documents that a source may have meant."""
        if len(self.collection.documents) > _MOST_NAMES:
            return []
        return get_close_matches(source, sorted(self.collection.documents), n=3, cutoff=0.6)

    def row(self, chunk_id: str) -> Json:
        """Return a chunk's row."""
        (document,) = self.documents([self.at(chunk_id)])
        return next(row for row in document.rows if row["id"] == chunk_id)

    def at(self, chunk_id: str) -> int:
        """Return the place of a chunk in the collection."""
        return self._at[chunk_id]
