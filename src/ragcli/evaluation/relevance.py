"""Which chunks and documents of a table answer a case: those of its source that hold one of its answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragcli.errors import InputError
from ragcli.evaluation.normalising import fold, holds
from ragcli.evaluation.qrels import Qrels
from ragcli.records import Case
from ragcli.trec import document_name

if TYPE_CHECKING:
    from ragcli.store import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A chunk of a table, as far as it matters here; ``document`` is what judgements call its document."""

    id: str
    document: str
    document_id: str
    text: str  # header included; empty where texts were not asked for


class Collection:
    """What a table holds: its chunks in the order of their ids, and the names of its documents.

    Args:
        table: the table.
        texts: whether the texts are read, too.
    """

    def __init__(self, table: Table, *, texts: bool = True) -> None:
        self.pieces: list[Piece] = []
        self.documents: set[str] = set()
        self.ambiguous: set[str] = set()  # names that several documents have
        owners: dict[str, str] = {}
        names: list[tuple[str, str, str]] = []
        columns = ["id", "document_id", "source", "metadata", *(["header", "text"] if texts else [])]
        for row in sorted(table.scan(columns), key=lambda row: str(row["id"])):
            document = document_name(row["source"], row["metadata"])
            if owners.setdefault(document, row["document_id"]) != row["document_id"]:
                self.ambiguous.add(document)
            text = "\n".join(filter(None, (row["header"], row["text"]))) if texts else ""
            self.pieces.append(Piece(id=row["id"], document=document, document_id=row["document_id"], text=text))
            names.append((row["source"], document, row["document_id"]))
        self.documents = set(owners)
        self._by_name: dict[str, list[int]] = defaultdict(list)
        for at, several in enumerate(names):
            for name in dict.fromkeys(several):
                self._by_name[name].append(at)
        self._by_ending: dict[str, list[int]] = {}

    def of_source(self, source: str) -> Sequence[int]:
        """Return the places of a source's chunks: by its name, its document's id, or the end of its path."""
        if source in self._by_name:
            return self._by_name[source]
        if source not in self._by_ending:
            ending = "/" + source.removeprefix("./").lstrip("/")
            found = {at for name, places in self._by_name.items() if name.endswith(ending) for at in places}
            self._by_ending[source] = sorted(found)
        return self._by_ending[source]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """What answers each case: chunks and documents; cases with none are in both, empty."""

    chunks: Qrels
    documents: Qrels
    unheld: list[str]  # ids of cases whose answers no chunk holds
    unanswerable: list[str]  # ids of cases that say that the documents do not answer


def gold_of(cases: Iterable[Case], collection: Collection) -> Gold:
    """Return the chunks that hold an answer of each case.

    Raises:
        InputError: a case names a source that the table does not have.
    """
    folded: dict[int, str] = {}
    chunks: Qrels = {}
    documents: Qrels = {}
    unheld: list[str] = []
    unanswerable: list[str] = []
    everywhere = range(len(collection.pieces))
    for case in cases:
        if not case.answers:
            unanswerable.append(case.id)
            continue
        places: Sequence[int] = everywhere
        if case.source is not None:
            places = collection.of_source(case.source)
            if not places:
                raise InputError(
                    f"case {case.id} ({case.question[:60]}) names the source {case.source!r}, of which the table has"
                    " nothing.",
                    hint="Name it as load does (see: ragcli query --format table), or index it.",
                )
        answers = [answer for answer in map(fold, case.answers) if answer]
        found: list[int] = []
        for at in places:
            if at not in folded:
                folded[at] = fold(collection.pieces[at].text)
            if holds(folded[at], answers):
                found.append(at)
        chunks[case.id] = {collection.pieces[at].id: 1 for at in found}
        documents[case.id] = {collection.pieces[at].document: 1 for at in found}
        if not found:
            unheld.append(case.id)
    return Gold(chunks=chunks, documents=documents, unheld=unheld, unanswerable=unanswerable)
