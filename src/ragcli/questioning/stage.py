"""The `questions` stage: a table in, cases out, as each is made; what is asked for and what is lost is counted.

1. Chunks are drawn evenly from the documents (`ragcli.questioning.sampling`).
2. A maker makes a question of each: rules or a language model.
3. Each is searched for; what does not lead back is dropped (`ragcli.questioning.leading`).
4. Where parts are wanted, each document is in one of them (`ragcli.questioning.parts`).
5. Questions that the table does not answer follow (`ragcli.questioning.silence`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ragcli.answering.terms import Language
from ragcli.embedding.stage import passage_text
from ragcli.errors import UsageError
from ragcli.evaluation.normalising import fold
from ragcli.questioning.drafts import Draft, Dropped, Made, Maker
from ragcli.questioning.leading import lead
from ragcli.questioning.parts import BETWEEN, Parts
from ragcli.questioning.sampling import Sampler
from ragcli.questions import Question, question
from ragcli.records import Case, Chunk, Hit, Json, Result, content_id
from ragcli.report import Report

if TYPE_CHECKING:
    from ragcli.questioning.asking import ModelMaker
    from ragcli.store import Table

Find = Callable[[Iterable[Question]], Iterable[Result]]
OnDropped = Callable[[Dropped], None]

SAME = "same_question"
_AT_ONCE = 32  # chunks of which questions are made before any of them is written
_LEAST_AT_ONCE = 4
_ENOUGH = 12  # chunks tried for each question that is wanted; then the rest will not be better


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for.

    Args:
        questions: how many that the table answers.
        unanswerable: how many that it does not.
        seed: another one gives others.
        where: an SQL condition on the chunks that are asked about.
        test: the part of the questions, by documents, that is for testing; None makes no parts.
    """

    questions: int = 100
    unanswerable: int = 0
    seed: int = 0
    where: str | None = None
    test: float | None = None

    def check(self) -> None:
        """See that the numbers make sense.

        Raises:
            UsageError: one does not.
        """
        if self.questions < 1:
            raise UsageError(f"{self.questions} questions are asked for; it must be at least 1.")
        if self.unanswerable < 0:
            raise UsageError(f"{self.unanswerable} unanswerable questions are asked for; it must not be negative.")
        if self.test is not None and not 0 < self.test < 1:
            raise UsageError(f"the test part is {self.test:g} of the questions; it must be between 0 and 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A question that was kept, with what it found."""

    draft: Draft
    hits: Sequence[Hit]
    part: str | None
    copies: tuple[str, ...] = ()


def make_questions(
    table: Table,
    maker: Maker,
    wanted: Wanted,
    *,
    find: Find | None = None,
    asker: ModelMaker | None = None,
    report: Report | None = None,
    on_dropped: OnDropped | None = None,
    done: Sequence[Case] = (),
) -> Iterator[Case]:
    """Yield cases: those that the table answers, then those that it does not.

    The same table, seed and maker give the same cases in the same order, and fewer are the first of more. The report
    counts ``asked`` chunks, which are ``made``, ``dropped`` (``dropped_…`` by reason) or ``failed``.

    Args:
        table: what they are about.
        maker: makes them (`ragcli.questioning.RuleMaker`, `ragcli.questioning.ModelMaker`).
        wanted: how many, and of what.
        find: searches the table; None leaves out the filter that a question must lead back to its chunk.
        asker: makes unanswerable questions with a language model; rules do without it.
        report: takes counts and losses.
        on_dropped: is told of every question and chunk that is not used.
        done: cases of an earlier run with the same arguments; they are not made again, and not yielded.

    Raises:
        UsageError: a number is out of range; unanswerable questions need ``find``.
    """
    wanted.check()
    if wanted.unanswerable and find is None:
        raise UsageError(
            "unanswerable questions are looked for in the table, which --no-filter leaves out.",
            hint="Leave out --no-filter, or --unanswerable.",
        )
    run = _Run(table, maker, wanted, find, report or Report("questions"), on_dropped, done)
    return run.cases(asker)


class _Run:
    def __init__(
        self,
        table: Table,
        maker: Maker,
        wanted: Wanted,
        find: Find | None,
        report: Report,
        on_dropped: OnDropped | None,
        done: Sequence[Case],
    ) -> None:
        self.table, self.maker, self.wanted, self.find = table, maker, wanted, find
        self.report, self._on_dropped = report, on_dropped
        self.asked_before: set[str] = set()
        self.done = {str(case.extra.get("chunk_id")): case for case in done if case.answers}
        self.done_silent = {fold(case.question): case for case in done if not case.answers}
        self.parts: Parts | None = None
        if wanted.test is not None:
            self.parts = Parts(wanted.test, lambda name: [row["text"] for row in table.chunks_of([name])[name]])

    def cases(self, asker: ModelMaker | None) -> Iterator[Case]:
        kept: list[Kept] = []
        condition = self.table.check_where(self.wanted.where) if self.wanted.where is not None else None
        sampler = Sampler(self.table, seed=self.wanted.seed, where=condition, size=self.wanted.questions)
        for one in self._answerable(sampler):
            if self.wanted.unanswerable:
                kept.append(one)
            case = case_of(one)
            if one.draft.chunk.id not in self.done:
                yield case
        self._count_chunks(sampler)
        if self.wanted.unanswerable and kept:
            from ragcli.questioning.silence import silent_cases

            yield from silent_cases(self, kept, asker)

    def _answerable(self, sampler: Sampler) -> Iterator[Kept]:
        left, tried = self.wanted.questions, 0
        earlier = set(self.done)
        chunks = sampler.chunks()
        while left:
            size = min(_AT_ONCE, max(left, _LEAST_AT_ONCE))
            some = list(islice(chunks, size))
            if not some or tried >= _ENOUGH * self.wanted.questions + _AT_ONCE:
                break
            tried += len(some)
            fresh = []
            for chunk in some:  # an earlier run drew the same ones up to its last: what it has no case of, it dropped
                if chunk.id in self.done:
                    fresh.append(chunk)
                    earlier.discard(chunk.id)
                elif not earlier:
                    fresh.append(chunk)
            for one in self._tried(fresh):
                yield one
                left -= 1
                if not left:
                    return

    def _tried(self, chunks: Sequence[Chunk]) -> Iterator[Kept]:
        """Yield what is kept of some chunks, in their order."""
        made = list(self._made(chunks))
        firsts = [one.drafts[0] for one in made if one.drafts]
        hits = dict(zip(map(id, firsts), self._found(firsts), strict=True))
        for one in made:
            self.report.count("asked")
            if one.error is not None:
                self.report.count("failed")
                where = f"chunk {one.chunk.id} ({one.chunk.source})"
                self.report.lose("failed", where, one.error.message, hint=one.error.hint)
                continue
            kept = self._kept(one, hits)
            if kept is not None:
                self.report.count("made")
                self.report.count(f"made_{kept.draft.made_by.partition(':')[0]}")
                yield kept

    def _found(self, drafts: Sequence[Draft]) -> list[Sequence[Hit]]:
        """Return what each question finds; nothing where nothing is searched."""
        if self.find is None or not drafts:
            return [()] * len(drafts)
        return [result.hits for result in self.find(question(draft.question) for draft in drafts)]

    def _made(self, chunks: Sequence[Chunk]) -> Iterator[Made]:
        """Yield what the maker makes of chunks, and what an earlier run made of them."""
        free = self.maker.is_free
        fresh = iter(self.maker.make([chunk for chunk in chunks if free or chunk.id not in self.done]))
        for chunk in chunks:
            case = self.done.get(chunk.id)
            if case is None:
                yield next(fresh)
                continue
            again = next(fresh).drafts if free else ()
            known = next((draft for draft in again if draft.question == case.question), None)
            yield Made(chunk=chunk, drafts=[known or draft_of(case, chunk)])

    def _kept(self, made: Made, hits: dict[int, Sequence[Hit]]) -> Kept | None:
        """Return the first draft of a chunk that can be used; what is not used is dropped, with the first reason.

        Args:
            made: the drafts of a chunk.
            hits: what the first of them found, by its identity; the others are searched where they are needed.
        """
        dropped: Dropped | None = None
        for draft in made.drafts:
            found = hits[id(draft)] if id(draft) in hits else self._found([draft])[0]
            kept, why = self._checked(draft, found)
            if kept is not None:
                return kept
            dropped = dropped or why
        self.drop(dropped or Dropped(chunk=made.chunk, reason=made.reason, detail=made.detail))
        return None

    def _checked(self, draft: Draft, hits: Sequence[Hit]) -> tuple[Kept | None, Dropped | None]:
        def no(reason: str, detail: str = "") -> tuple[None, Dropped]:
            return None, Dropped(chunk=draft.chunk, reason=reason, detail=detail, draft=draft)

        folded = fold(draft.question)
        if folded in self.asked_before:
            return no(SAME)
        copies: tuple[str, ...] = ()
        if draft.chunk.id not in self.done and self.find is not None:
            led = lead(draft, hits)
            if led.reason:
                return no(led.reason, led.detail)
            copies = led.copies
        part = None
        if self.parts is not None:
            part = self.parts.place([draft.chunk])
            if part is None:
                return no(BETWEEN, "its document is like documents of both parts")
        self.asked_before.add(folded)
        return Kept(draft=draft, hits=hits, part=part, copies=copies), None

    def drop(self, dropped: Dropped, kind: str = "dropped") -> None:
        """Count a question that is not used, and tell who wants to know."""
        self.report.count(kind)
        self.report.count(f"{kind}_{dropped.reason}")
        if self._on_dropped is not None:
            self._on_dropped(dropped)

    def _count_chunks(self, sampler: Sampler) -> None:
        self.report.counts["chunks_seen"] = sampler.seen.chunks
        self.report.counts["documents_seen"] = sampler.seen.documents
        for reason, n in sampler.seen.left_out.items():
            if n:
                self.report.counts[f"chunks_left_out_{reason}"] = n


def case_of(kept: Kept) -> Case:
    """Return the case that a question makes."""
    draft, chunk = kept.draft, kept.draft.chunk
    extra: Json = {"answerable": True, "chunk_id": chunk.id, "made_by": draft.made_by, "language": draft.language}
    if kept.part is not None:
        extra["part"] = kept.part
    if chunk.pages:
        extra["pages"] = list(chunk.pages)
    if kept.copies:  # the same text stands there, too: any of them is right
        extra["sources"] = [chunk.source, *kept.copies]
    extra["context"] = passage_text(chunk)
    return Case(
        id=content_id("case", draft.question, chunk.id),
        question=draft.question,
        answers=[draft.answer],
        source=None if kept.copies else chunk.source,
        extra=extra,
    )


def draft_of(case: Case, chunk: Chunk) -> Draft:
    """Return what an earlier case was made from."""
    from ragcli.questioning.headings import context

    language: Language = "zh" if case.extra.get("language") == "zh" else "en"
    return Draft(
        question=case.question,
        answer=case.answers[0],
        chunk=chunk,
        made_by=str(case.extra.get("made_by", "")),
        language=language,
        evidence=case.answers[0],
        subject=context(chunk, case.question, language)[1],
    )
