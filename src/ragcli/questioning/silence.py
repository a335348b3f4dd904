"""Cases that the table does not answer: made, looked for, and kept where nothing that is found answers them.

Three of four are near: on a topic of the table's, from a language model where there is one, else turned from questions
that are answered. One of four is far. A model that is there must refuse each of them, too, when it is shown what the
search finds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ragcli.errors import RagcliError
from ragcli.evaluation.normalising import fold
from ragcli.questioning.drafts import Dropped, text_language
from ragcli.questioning.parts import BETWEEN
from ragcli.questioning.replies import read, wrong_question
from ragcli.questioning.unanswered import FAR, NEAR, Unanswered, answers, invented, variants
from ragcli.questions import question
from ragcli.records import THRESHOLD_KEY, Case, Chunk, Hit, Json, Result, content_id
from ragcli.report import Report
from ragcli.store import chunk_of

if TYPE_CHECKING:
    from ragcli.questioning.asking import ModelMaker
    from ragcli.questioning.stage import Kept, _Run

KIND = "unanswerable_dropped"
ANSWERED, MODEL_ANSWERS, NOT_CHECKED = "answered", "model_answers", "not_checked"
_NEAR_IN_A_ROW = 3  # then a far one
_ROWS = 3  # ways in which a question is turned
_AT_ONCE = 32
_ENOUGH = 12  # tried for each that is wanted
_SHOWN = 5  # hits that a model is shown, as ask shows it


def silent_cases(run: _Run, kept: Sequence[Kept], asker: ModelMaker | None) -> Iterator[Case]:
    """Yield as many as the run wants, or as many as can be made.

    Args:
        run: the run whose questions they follow.
        kept: the questions that are answered.
        asker: a language model that makes and checks them.
    """
    left, tried = max(0, run.wanted.unanswerable - len(run.done_silent)), 0
    run.asked_before |= set(run.done_silent)
    run.report.count("unanswerable_made", len(run.done_silent))
    for case in run.done_silent.values():
        run.report.count(f"unanswerable_{case.extra.get('kind', NEAR)}")
    candidates = _mixed(run, kept, asker)
    while left and tried < _ENOUGH * run.wanted.unanswerable + _AT_ONCE:
        some = list(islice(candidates, min(_AT_ONCE, left + 2)))
        if not some:
            return
        tried += len(some)
        for case in _checked(run, some, asker, left):
            left -= 1
            yield case


def _mixed(run: _Run, kept: Sequence[Kept], asker: ModelMaker | None) -> Iterator[Unanswered]:
    """Yield candidates, near and far."""
    near = _said(run, kept, asker) if asker is not None else _turned(run, kept)
    for number in range(_ENOUGH * run.wanted.unanswerable + _AT_ONCE):
        some = list(islice(near, _NEAR_IN_A_ROW))
        yield from some
        one = kept[number % len(kept)]
        yield invented(one.draft.language, random.Random(f"{run.wanted.seed}:{number}"))


def _turned(run: _Run, kept: Sequence[Kept]) -> Iterator[Unanswered]:
    for row in range(_ROWS):
        for one in kept:
            chance = random.Random(f"{run.wanted.seed}:{one.draft.question}")
            yield from variants(one.draft, one.hits, chance)[row : row + 1]


def _said(run: _Run, kept: Sequence[Kept], asker: ModelMaker) -> Iterator[Unanswered]:
    """Yield what a model asks beside each chunk."""
    for at in range(0, len(kept), _AT_ONCE):
        some = kept[at : at + _AT_ONCE]
        for one, said in zip(
            some, asker.say((one.draft.chunk, False, one.draft.question) for one in some), strict=True
        ):
            chunk, language = one.draft.chunk, text_language(one.draft.chunk.text)
            run.report.count("unanswerable_requests")
            if isinstance(said, RagcliError):
                run.report.count("unanswerable_failed")
                where = f"chunk {chunk.id} ({chunk.source})"
                run.report.lose("failed", where, said.message, hint=said.hint)
                continue
            made = read(said)
            if made is None:
                run.drop(Dropped(chunk=chunk, reason="unreadable_reply", detail=said[:80]), KIND)
                continue
            wrong = wrong_question(made.question, language)
            if wrong is not None:
                run.drop(Dropped(chunk=chunk, reason=wrong[0], detail=wrong[1]), KIND)
                continue
            yield Unanswered(question=made.question, language=language, how=asker.name, chunk=chunk)


def _checked(run: _Run, some: Sequence[Unanswered], asker: ModelMaker | None, most: int) -> Iterator[Case]:
    """Yield the cases that nothing answers, in order."""
    assert run.find is not None
    found = list(run.find(question(one.question) for one in some))
    said = _answered_by_model(found, asker, run.report) if asker is not None else [None] * len(some)
    for one, result, reply in zip(some, found, said, strict=True):
        if not most:
            return
        reason, detail = _why_not(run, one, result.hits)
        if not reason and isinstance(reply, str):
            reason, detail = (MODEL_ANSWERS, reply) if reply else (NOT_CHECKED, "")
        part = None
        if not reason and run.parts is not None:
            part = run.parts.place([chunk for chunk in (one.chunk, one.other) if chunk is not None])
            reason = "" if part is not None else BETWEEN
        if reason:
            chunk = one.chunk or (result.hits[0] if result.hits else None)
            if chunk is not None:
                run.drop(Dropped(chunk=chunk, reason=reason, detail=f"{one.question} {detail}".strip()), KIND)
            continue
        run.asked_before.add(fold(one.question))
        run.report.count("unanswerable_made")
        run.report.count(f"unanswerable_{NEAR if one.near else FAR}")
        most -= 1
        yield _case(one, part)


def _why_not(run: _Run, one: Unanswered, hits: Sequence[Hit]) -> tuple[str, str]:
    from ragcli.questioning.stage import SAME

    if fold(one.question) in run.asked_before:
        return SAME, ""
    named = [chunk.document_id for chunk in (one.chunk, one.other) if chunk is not None]
    texts: list[Hit | Chunk] = list(hits)
    texts += [chunk_of(row) for rows in run.table.chunks_of(list(dict.fromkeys(named))).values() for row in rows]
    return (ANSWERED, "what is found may answer it") if answers(one, texts) else ("", "")


def _answered_by_model(found: Sequence[Result], asker: ModelMaker, report: Report) -> list[str | None]:
    """Return what a model answers each question from what it found.

    It is None where the model says that nothing answers, and empty where the request failed.
    """
    from ragcli.answering.model import ModelAnswerer
    from ragcli.answering.run import answer

    at_once = asker.concurrency or int(getattr(asker.llm, "parallel", 1))
    asked = [
        Result(id=str(at), query=one.query, hits=list(one.hits[:_SHOWN]), extra={THRESHOLD_KEY: 0.0})
        for at, one in enumerate(found)
    ]
    out: list[str | None] = [""] * len(found)

    def failed(loss: Json) -> None:
        report.count("unanswerable_failed")
        report.lose(
            "failed", f"{found[int(loss['source'].split()[1])].query[:60]}", loss["reason"], hint=loss.get("hint")
        )

    for reply in answer(
        asked,
        ModelAnswerer(asker.llm, sampling=asker.sampling),
        report=Report("questions", failed, keep=False),
        concurrency=at_once,
        answered=1,
    ):
        out[int(reply.id)] = None if reply.refused else reply.answer
    return out


def _case(one: Unanswered, part: str | None) -> Case:
    extra: Json = {"answerable": False, "made_by": one.how, "kind": NEAR if one.near else FAR, "language": one.language}
    if part is not None:
        extra["part"] = part
    if one.chunk is not None:
        extra["derived_from"] = one.chunk.id
    return Case(
        id=content_id("case", one.question, one.chunk.id if one.chunk is not None else ""),
        question=one.question,
        extra=extra,
    )
