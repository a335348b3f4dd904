"""What is right for a set of questions, at the level of documents and of chunks: from judgements or from cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ragcli.errors import InputError, UsageError
from ragcli.evaluation.qrels import Qrels
from ragcli.evaluation.relevance import Collection, gold_of
from ragcli.questions import Question
from ragcli.records import Case
from ragcli.report import Report

Level = Literal["document", "chunk"]
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Questions with what is right for each.

    Args:
        questions: in the order in which they came.
        levels: of each level the judgements of every question; the first level is the one that gates look at.
        unheld: ids of cases whose answers no chunk holds: they count as not found.
    """

    questions: Sequence[Question]
    levels: dict[Level, Qrels]
    unheld: Sequence[str] = ()


def from_cases(cases: Sequence[Case], collection: Collection, report: Report, level: Level | None = None) -> Judged:
    """Return what is right for cases: the chunks that hold an answer, and their documents.

    Cases that the documents do not answer are counted as ``unanswerable`` and left out: nothing is right for them.

    Raises:
        InputError: there are none that can be answered, or one names a source that the table does not have.
    """
    gold = gold_of(cases, collection)
    report.count("unanswerable", len(gold.unanswerable))
    report.count("unheld", len(gold.unheld))
    asked = [Question(id=case.id, text=case.question) for case in cases if case.answers]
    if not asked:
        raise InputError("no case has an answer that could be found.", hint="Cases need answers: see ragcli eval -h.")
    levels: dict[Level, Qrels] = {"chunk": gold.chunks, "document": gold.documents}
    return Judged(
        questions=asked,
        levels=levels if level is None else {level: levels[level]},
        unheld=gold.unheld,
    )


def from_qrels(
    questions: Iterable[Question],
    qrels: Qrels,
    collection: Collection,
    report: Report,
    level: Level | None = None,
    *,
    skip_unknown: bool = False,
) -> Judged:
    """Return what is right for questions with judgements; questions without are counted (``unjudged``) and left out.

    Args:
        questions: of a file of queries.
        qrels: judgements of documents, or of chunks.
        collection: the table.
        report: takes counts and losses.
        level: what the judgements name; by default what most of their names are.
        skip_unknown: count judgements of what the table does not have as never found, instead of an error.

    Raises:
        InputError: judgements name questions, documents or chunks that are not there; a name is that of several
            documents; two questions have the same id.
    """
    asked: list[Question] = []
    seen: set[str] = set()
    for one in questions:
        if one.id in seen:
            raise InputError(f"the id {one.id!r} is that of two questions.")
        seen.add(one.id)
        if one.id in qrels:
            asked.append(one)
        else:
            report.count("unjudged")
    missing = [query for query in qrels if query not in seen]
    if missing:
        _unknown("questions", missing, len(qrels), "the queries do not have", report, skip=skip_unknown)
    named = {name for judged in qrels.values() for name in judged}
    chunks = {piece.id for piece in collection.pieces}
    found = level or ("chunk" if len(named & chunks) > len(named & collection.documents) else "document")
    known = chunks if found == "chunk" else collection.documents
    unknown = sorted(named - known)
    if unknown:
        _unknown(f"{found}s", unknown, len(named), "the table does not have", report, skip=skip_unknown)
    unclear = sorted(named & collection.ambiguous) if found == "document" else []
    if unclear:
        raise InputError(
            f"the judgements name {unclear[0]!r}, which is the id of several documents of the table"
            f" ({len(unclear)} such names)."
        )
    if not asked:
        raise UsageError("no question has a judgement: the ids of --queries and --qrels are not the same.")
    return Judged(questions=asked, levels={found: {one.id: qrels[one.id] for one in asked}})


def _unknown(what: str, names: Sequence[str], of: int, where: str, report: Report, *, skip: bool) -> None:
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    message = f"the judgements name {len(names)} {what} of {of} that {where}: {shown}"
    if not skip:
        raise InputError(
            f"{message}.",
            hint="Is this the right table, and whole? --skip-bad counts them as never found (exit code 3).",
        )
    report.count(f"unknown_{what}", len(names))
    report.lose("failed", "--qrels", message)
