"""The diagnosis: every case is replayed through the whole chain, and the first step that lost its answer is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from ragcli.answering import answer as answer_results
from ragcli.diagnosing import advising
from ragcli.diagnosing.answered import answered, is_answered, is_off_topic, prompted
from ragcli.diagnosing.embedded import Embedding, is_of_vector
from ragcli.diagnosing.library import Library
from ragcli.diagnosing.loaded import Traced, Tracer
from ragcli.diagnosing.retrieved import DEPTH, FAR, Found, judge, repaired
from ragcli.diagnosing.sources import Sources
from ragcli.diagnosing.steps import OK, STEPS, Advice, Finding, StepName
from ragcli.embedding.stage import passage_text
from ragcli.evaluation.normalising import fold, holds
from ragcli.questions import Question
from ragcli.records import Answer, Case, Diagnosis, Hit, Result
from ragcli.report import Report
from ragcli.retrieval import RERANKED
from ragcli.where import one_of

if TYPE_CHECKING:
    from ragcli.answering import Answerer
    from ragcli.embedding import Embedder
    from ragcli.retrieval import Mode
    from ragcli.store import Table

WINDOW = 64  # cases that are searched and answered together
_BEFORE = 5  # hits beyond k whose vectors are made anew, too, where one is wrong: others may be
_MOST_GOLD = 1000  # chunks that hold an answer, of which --where is asked
_GOLD = 5  # chunks that hold an answer, of which the vectors are looked at

FindMany = Callable[[Iterable[Question], int], Iterable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a case is replayed through.

    Args:
        library: what the table holds.
        find: the search as it is done, to a number of hits.
        by_mode: the search in each mode that is possible, to a number of hits and without a reranker; hybrid explains
            itself.
        answerer: who answers.
        k: hits that are handed on.
        mode: how it is searched.
        embedder: the table's model; None where it is not used.
        reranked: whether a reranker gives the order.
        where: the condition of the search.
        options: further options of the search and the answerer as they were typed, for the commands that are advised.
        find_in: opens the search, as it is done, in another table; None where that is not possible.
        sources: the files of the documents.
        concurrency: questions at once.
    """

    library: Library
    find: FindMany
    by_mode: Mapping[Mode, FindMany]
    answerer: Answerer
    k: int
    mode: Mode
    embedder: Embedder | None = None
    reranked: bool = False
    where: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    find_in: Callable[[Table], FindMany] | None = None
    sources: Sources
    concurrency: int = 1

    @property
    def table(self) -> Table:
        """The table."""
        return self.library.table


@dataclass(slots=True)
class Replayed:
    """One case with all that came of it."""

    case: Case
    traced: Traced
    found: Found
    answer: Answer | None
    alone: Answer | None = None
    reranked: int | None = None  # the rank among all that the reranker reads

    @property
    def final(self) -> int | None:
        """The rank as it was searched."""
        return self.found.ranks(self.traced.gold).final


def diagnose(cases: Iterable[Case], chain: Chain, report: Report | None = None) -> Iterator[Diagnosis]:
    """Yield what became of the answer of each case, in order.

    Args:
        cases: questions with what is right.
        chain: what they are replayed through.
        report: counts ``cases``, ``right`` and ``failed`` (no answer came; each is a loss).

    Raises:
        RagcliError: the table or the endpoint fails as a whole.
    """
    return _Run(chain, report or Report("diagnose")).diagnoses(iter(cases))


class _Run:
    def __init__(self, chain: Chain, report: Report) -> None:
        self._chain, self._report = chain, report
        self._library = chain.library
        self._tracer = Tracer(self._library, chain.sources)
        self._embedding = Embedding(self._library, chain.embedder)

    def diagnoses(self, cases: Iterator[Case]) -> Iterator[Diagnosis]:
        while window := list(islice(cases, WINDOW)):
            for one in self._replay(window):
                made = self._diagnosis(one)
                self._report.count("cases")
                if made.lost_at is None:
                    self._report.count("right")
                yield made

    # The chain is run: once as it is, and for what went wrong last with the right passage alone.

    def _replay(self, cases: Sequence[Case]) -> list[Replayed]:
        chain = self._chain
        asked = [Question(id=case.id, text=case.question) for case in cases]
        results = {one.id: one for one in chain.find(asked, chain.k)}
        depth = max(DEPTH, min(chain.k, FAR))
        by_mode = {mode: {one.id: one.hits for one in find(asked, depth)} for mode, find in chain.by_mode.items()}
        answers = self._answers([results[case.id] for case in cases])
        out = []
        for case in cases:
            found = Found({mode: hits[case.id] for mode, hits in by_mode.items()}, results[case.id].hits)
            traced = self._tracer.trace(case) if case.answers else Traced({}, [], [], [])
            traced = self._joined(case, traced, found.final)
            out.append(Replayed(case, traced, found, answers.get(case.id)))
        self._rank_all(out)
        again = [one for one in out if self._is_asked_again(one)]
        alone = self._answers([self._alone(one, results[one.case.id]) for one in again])
        for one in again:
            one.alone = alone.get(one.case.id)
        return out

    def _rank_all(self, replayed: Sequence[Replayed]) -> None:
        """Look up where answers stand that the reranker read and did not put among the first k."""
        if not self._chain.reranked or self._chain.k >= RERANKED:
            return
        lost = {one.case.id: one for one in replayed if one.traced.gold and one.final is None}
        asked = [Question(id=name, text=one.case.question) for name, one in lost.items()]
        for result in self._chain.find(asked, RERANKED) if asked else ():
            wanted = set(lost[result.id].traced.gold)
            lost[result.id].reranked = next((hit.rank for hit in result.hits if hit.id in wanted), None)

    def _joined(self, case: Case, traced: Traced, hits: Sequence[Hit]) -> Traced:
        """Count hits among the right ones that hold the answer since their neighbours were joined to them."""
        joined = [name for name in self._library.joined(case, hits) if name not in traced.gold]
        if not joined:
            return traced
        findings: dict[StepName, Finding] = {"loaded": OK, "split": OK}
        if (split := traced.findings.get("split")) is not None and split.status == "lost":
            findings["split"] = replace(split, status="warn", says=f"{split.says}; --expand joins it")
        return replace(traced, findings=findings, gold=[*traced.gold, *joined])

    def _answers(self, results: Sequence[Result]) -> dict[str, Answer]:
        made = answer_results(results, self._chain.answerer, report=self._report, concurrency=self._chain.concurrency)
        return {one.id: one for one in made}

    def _is_asked_again(self, one: Replayed) -> bool:
        """Whether the answer was found and is wrong all the same."""
        wrong = one.answer is not None and not is_answered(one.case, one.answer)
        return bool(one.traced.gold) and wrong and one.final is not None

    def _alone(self, one: Replayed, result: Result) -> Result:
        """Return the result as if the right passages alone had been found."""
        return replace(result, hits=self._gold_hits(one))

    def _gold_hits(self, one: Replayed) -> list[Hit]:
        """Return the chunks that hold an answer as hits: those that were found, or the first."""
        wanted = set(one.traced.gold)
        found = [hit for hit in one.found.final if hit.id in wanted]
        if found:
            return [replace(hit, rank=rank) for rank, hit in enumerate(found, 1)]
        return [
            Hit(**self._library.row(name), rank=rank, score=0.0) for rank, name in enumerate(one.traced.gold[:1], 1)
        ]

    # What came of it is judged, step by step.

    def _diagnosis(self, one: Replayed) -> Diagnosis:
        findings, advice = self._judge(one)
        lost: StepName | None = next((step for step in STEPS if findings.get(step, OK).status == "lost"), None)
        finding = findings[lost] if lost is not None else OK
        case = one.case
        return Diagnosis(
            id=case.id,
            question=case.question,
            lost_at=lost,
            cause=finding.cause,
            says=finding.says,
            answers=case.answers,
            source=case.source,
            answer=one.answer.answer if one.answer is not None else None,
            refused=one.answer.refused if one.answer is not None else None,
            steps={step: findings[step].to_json() for step in STEPS if step in findings},
            advice=[made.to_json() for made in advice],
            extra=case.extra,
        )

    def _judge(self, one: Replayed) -> tuple[dict[StepName, Finding], list[Advice]]:
        case, answer = one.case, one.answer
        none = Finding("lost", "failed", "no answer came; stderr has the reason")
        if not case.answers:
            if answer is None:
                return {"answered": none}, []
            made = answered(case, answer, None, [], off_topic=False)
            return {"answered": made}, advising.answered(self._chain, one, made, self._answers)
        findings: dict[StepName, Finding] = dict(one.traced.findings)
        got_through = answer is not None and is_answered(case, answer) and self._is_shown(one)
        if not one.traced.gold:
            if got_through:
                return _forgiven(findings), []
            return findings, advising.traced(self._chain, one)
        findings["embedded"] = OK
        found = judge(one.traced.gold, one.found, self._chain.k, self._chain.mode, reranked=self._chain.reranked)
        if one.reranked is not None:
            found = replace(found, evidence={**found.evidence, "rank_reranked": one.reranked})
        if found.status == "lost":
            if got_through:
                return _forgiven({**findings, "retrieved": found}), []
            return self._not_found(one, findings, found)
        findings["retrieved"] = found
        if answer is None:
            return {**findings, "answered": none}, []
        findings["prompted"] = OK if got_through else prompted(case, answer, one.found.final)
        if findings["prompted"].status == "lost":
            return findings, advising.prompted(self._chain, one, findings["prompted"], self._answers)
        wrong = not is_answered(case, answer)
        off_topic = wrong and is_off_topic(case, self._gold_hits(one), one.found.final)
        findings["answered"] = answered(case, answer, one.alone, one.traced.gold, off_topic=off_topic)
        return findings, advising.answered(self._chain, one, findings["answered"], self._answers)

    def _is_shown(self, one: Replayed) -> bool:
        """Whether a passage that was found holds the answer, whatever document it is of."""
        wanted = [folded for folded in map(fold, one.case.answers) if folded]
        return any(holds(fold(passage_text(hit)), wanted) for hit in one.found.final)

    def _not_found(
        self, one: Replayed, findings: dict[StepName, Finding], found: Finding
    ) -> tuple[dict[StepName, Finding], list[Advice]]:
        """Tell whether the search lost the answer, or how its chunk was embedded."""
        chain, gold = self._chain, one.traced.gold
        if chain.where is not None:
            wanted = f"({one_of('id', gold[:_MOST_GOLD])}) AND ({chain.where})"
            gold = [str(row["id"]) for row in chain.table.scan(["id"], wanted)]
        if not gold:
            says = f"--where leaves out the chunk with the answer: {chain.where}"
            return {**findings, "retrieved": Finding("lost", "filter", says, found.evidence)}, []
        gold = gold[:_GOLD]
        checked = self._embedding.check(gold, one.case.answers, chain.mode)
        faults = [finding for finding in checked if finding.status == "lost"]
        if len(faults) < len(gold):
            findings["embedded"] = next((one for one in checked if one.status == "warn"), OK)
            return {**findings, "retrieved": found}, advising.retrieved(chain, one, found)
        fault = faults[0]
        rank = self._repaired(one, fault)
        if rank is not None:
            fault = replace(fault, evidence={**fault.evidence, "rank": found.evidence["ranks"], "rank_repaired": rank})
        if rank is not None and rank > chain.k:  # its right vector would not have been found either
            findings["embedded"] = replace(fault, status="warn")
            return {**findings, "retrieved": found}, advising.retrieved(chain, one, found)
        findings["embedded"] = fault
        return findings, advising.embedded(chain, fault)

    def _repaired(self, one: Replayed, fault: Finding) -> int | None:
        """Return the rank that the chunk would have with the vector that the contract wants."""
        if not is_of_vector(fault) or fault.cause == "truncated" or self._chain.mode not in one.found.by_mode:
            return None
        mode, chunk_id = self._chain.mode, str(fault.evidence["chunk"])
        asked = self._embedding.asked(one.case.question)
        if asked is None:
            return None
        before = [hit.id for hit in one.found.by_mode[mode][: self._chain.k + _BEFORE]]
        scores = {name: float(asked @ self._embedding.passage(name)) for name in dict.fromkeys([chunk_id, *before])}
        return repaired(chunk_id, scores, one.found, mode)


def _forgiven(findings: Mapping[StepName, Finding]) -> dict[StepName, Finding]:
    """Return findings where what was lost is a warning: the answer came from another passage."""
    out: dict[StepName, Finding] = {}
    for step, finding in findings.items():
        out[step] = replace(finding, status="warn") if finding.status == "lost" else finding
    return {**out, "answered": OK}
