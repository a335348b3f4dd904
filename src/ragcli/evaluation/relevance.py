"""Which chunks and documents of a table answer a case: those of its source that hold one of its answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ragcli.errors import InputError
from ragcli.evaluation.normalising import fold, holds
from ragcli.evaluation.qrels import Qrels
from ragcli.records import Case, Document, Json
from ragcli.trec import document_name


class Rows(Protocol):
    """What has rows to read: a table (`ragcli.store.Table`)."""

    def scan(self, columns: list[str]) -> Iterator[Json]:
        """Yield these columns of every row."""
        ...


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

    def __init__(self, table: Rows, *, texts: bool = True) -> None:
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
            ending = _ending(source)
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
                raise _no_source(case, "the table has")
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


def _ending(source: str) -> str:
    return "/" + source.removeprefix("./").lstrip("/")


def _last(source: str) -> str:
    return source.rstrip("/").rpartition("/")[2]


def _no_source(case: Case, of: str) -> InputError:
    return InputError(
        f"case {case.id} ({case.question[:60]}) names the source {case.source!r}, of which {of} nothing.",
        hint="Name it as load does (see: ragcli query --format table), or index it.",
    )


@dataclass(slots=True)
class _Asked:
    """A case while documents come by: its answers as they are compared, and the documents of its source."""

    case: Case
    answers: list[str]
    named: dict[str, bool] = field(default_factory=dict)  # by the whole name: document -> whether it answers
    ending: dict[str, bool] = field(default_factory=dict)  # by the end of its path
    ids: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))  # of those documents


class Answering:
    """Which whole documents answer cases, as `gold_of` says it of chunks; documents come by once, one in memory.

    Args:
        cases: the cases.
    """

    def __init__(self, cases: Iterable[Case]) -> None:
        self._unanswerable: list[str] = []
        self._asked: list[_Asked] = []
        self._by_last: dict[str | None, list[_Asked]] = defaultdict(list)  # the last part of the source's path
        for case in cases:
            if case.answers:
                self._asked.append(_Asked(case, [one for one in map(fold, case.answers) if one]))
                self._by_last[None if case.source is None else _last(case.source)].append(self._asked[-1])
            else:
                self._unanswerable.append(case.id)

    def see(self, document: Document) -> None:
        """Take in a document."""
        name = document_name(document.source, document.metadata)
        names = {document.source, name, document.id}
        text: str | None = None
        lasts = [None, *dict.fromkeys(map(_last, names))]
        for asked in (one for last in lasts for one in self._by_last.get(last, ())):
            source = asked.case.source
            is_whole = source is None or source in names
            if not is_whole and not any(one.endswith(_ending(str(source))) for one in names):
                continue
            if text is None:
                text = fold(document.text)
            found = asked.named if is_whole else asked.ending
            answers = holds(text, asked.answers)
            if answers or source is not None:
                found[name] = answers or found.get(name, False)
                asked.ids[not is_whole].add(document.id)

    def gold(self) -> tuple[Gold, set[str]]:
        """Return the documents that answer each case, and the ids of those that answer one or are a case's source.

        Raises:
            InputError: a case names a source that no document is.
        """
        documents: Qrels = {}
        unheld: list[str] = []
        needed: set[str] = set()
        for asked in self._asked:
            found = asked.named or asked.ending
            if asked.case.source is not None and not found:
                raise _no_source(asked.case, "the documents have")
            needed |= asked.ids[not asked.named]
            documents[asked.case.id] = {name: 1 for name, answers in found.items() if answers}
            if not documents[asked.case.id]:
                unheld.append(asked.case.id)
        return Gold(chunks={}, documents=documents, unheld=unheld, unanswerable=self._unanswerable), needed
