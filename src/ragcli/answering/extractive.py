"""The built-in answerer: quotes the sentences of the hits that answer a question, word for word. No model.

`ragcli.answering.evidence` scores every clause. The best clause is quoted with as much of its sentence as fits,
then the next best, as long as it is nearly as good and room is left. Neighbouring clauses become one quote; what two
overlapping chunks share is quoted once.

Measured by ``benchmarks/answer.py``; its figures stand in `Extractive`.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from ragcli.answering.citations import marker, quoted
from ragcli.answering.evidence import Evidence, Scored, gather, read_question
from ragcli.answering.prompt import Template
from ragcli.answering.protocols import Asked, OnText, Quote, Reply
from ragcli.answering.refusing import THRESHOLD, refusal, support
from ragcli.errors import UsageError
from ragcli.llms.protocols import Message
from ragcli.records import Hit, Json

DEFAULT_CHARACTERS = 200
LEAST_CHARACTERS = 20
RATIO = 0.6  # a clause is quoted too if it scores at least this part of the best
CANDIDATES = 40  # clauses that are looked at, best first
MARKER = len(" [99]")  # characters that a quote costs beyond its own

_MARKS = 2  # characters of Markdown before an item, which may stand between two clauses of one quote
_LOOSE = "，、；：,;: \t\r\n\v\f\u00a0\u3000"  # not quoted at the end of a clause


class Extractive:
    """Answers with exact quotes from the hits, or says that the documents do not answer.

    On CMRC 2018, five whole passages a question, the questions of half of the passages held out from tuning: a quote
    holds a gold answer for .932 of the questions whose passage was found (the first 200 characters of the first
    hit: .620; the sentence that shares most with the question and what follows it: .831). Of these .019 are
    refused. Refused are .779 with the gold passage taken away and .990 with the hits of another question. Without
    titles, over both halves, .867 hold a gold answer and .026 are refused.

    Args:
        max_characters: the most characters of an answer, markers included; at least 20.
        template: what a language model would be told, for ``--show-prompt`` and ``--save-sft``.

    Raises:
        UsageError: ``max_characters`` is too small.
    """

    def __init__(self, max_characters: int = DEFAULT_CHARACTERS, *, template: Template | None = None) -> None:
        if max_characters < LEAST_CHARACTERS:
            raise UsageError(
                f"an answer of at most {max_characters} characters holds no sentence.",
                hint=f"Allow at least {LEAST_CHARACTERS}.",
            )
        self.max_characters = max_characters
        self._template = template or Template()

    @property
    def name(self) -> str:
        """What the answer record's ``model`` says."""
        return "extractive"

    def reply(self, asked: Asked, on_text: OnText | None = None) -> Reply:
        """Answer one question, or refuse."""
        evidence = gather(read_question(asked.question), asked.hits)
        held = support(evidence)
        threshold = THRESHOLD if asked.threshold is None else asked.threshold
        extra: Json = {"extractive": True, "support": round(held, 4)}
        quotes = [] if held < threshold else _choose(evidence, asked.hits, self.max_characters)
        if quotes:
            text = " ".join(
                quoted(asked.hits[q.hit].text[q.start : q.end]) + marker(n) for n, q in enumerate(quotes, 1)
            )
            made = Reply(text=text, quotes=quotes, extra=extra)
        else:
            extra |= {"refused_by": "retrieval", "threshold": threshold}
            made = Reply(text=refusal(asked.question), refused=True, extra=extra)
        if on_text is not None:
            on_text(made.text)
        return made

    def prompt(self, asked: Asked) -> list[Message]:
        """Return the question and the numbered hits as a language model would be shown them."""
        return self._template.messages(asked.question, asked.hits, asked.history)


def best_quote(statement: str, hit: Hit, most: int = DEFAULT_CHARACTERS) -> tuple[int, int] | None:
    """Return the slice of a hit that says most of a statement: its best clause with what fits around it, or None.

    Args:
        statement: a sentence.
        hit: where it is looked for.
        most: characters of the slice.
    """
    evidence = gather(read_question(statement), [hit])
    (scored,) = evidence.hits
    value, at = max(((value, -at) for at, value in enumerate(scored.values)), default=(0.0, 0))
    if value <= 0:
        return None
    best = scored.clauses[-at]
    for quote in _choose(evidence, [hit], most):
        if quote.start <= best.start < quote.end:
            return quote.start, quote.end
    return best.start, min(best.end, best.start + most)


@dataclass(slots=True)
class _Selection:
    """The clauses chosen so far, by the number of their hit, within a budget of characters."""

    hits: Sequence[Hit]
    by_hit: dict[int, Scored]
    budget: int
    taken: dict[int, set[int]] = field(default_factory=dict)

    def spans(self, hit: int, clauses: set[int]) -> list[tuple[int, int]]:
        """Return the slices that a hit's clauses make, neighbours joined."""
        runs: list[list[int]] = []
        for at in sorted(clauses):
            if runs and runs[-1][1] == at and not self._is_parted(hit, at):
                runs[-1][1] = at + 1
            else:
                runs.append([at, at + 1])
        units, text = self.by_hit[hit].clauses, self.hits[hit].text
        spans = []
        for first, after in runs:
            start = units[first].start
            end = start + len(text[start : units[after - 1].end].rstrip(_LOOSE))
            if end > start:
                spans.append((start, end))
        return spans

    def _is_parted(self, hit: int, at: int) -> bool:
        """Whether something that is not quoted, as a heading, stands between a clause and the one before."""
        units, text = self.by_hit[hit].clauses, self.hits[hit].text
        return len(text[units[at - 1].end : units[at].start].strip()) > _MARKS

    def add(self, hit: int, clauses: Sequence[int]) -> bool:
        """Add the clauses that no other hit has brought yet, if all of them fit; say whether they did."""
        more = self.taken.get(hit, set()) | {at for at in clauses if not self._is_repeated(hit, at)}
        sizes = [
            end - start + MARKER
            for index, chosen in {**self.taken, hit: more}.items()
            for start, end in self.spans(index, chosen)
        ]
        if sum(sizes) > self.budget:
            return False
        if more:
            self.taken[hit] = more
        return True

    def _is_repeated(self, hit: int, at: int) -> bool:
        """Whether a clause of another hit says the same: the same place of a document, or the same words."""
        unit, own = self.by_hit[hit].clauses[at], self.hits[hit]
        words = own.text[unit.start : unit.end].rstrip(_LOOSE)
        for index, chosen in self.taken.items():
            if index == hit:
                continue
            other = self.hits[index]
            for taken in chosen:
                quoted = self.by_hit[index].clauses[taken]
                if words == other.text[quoted.start : quoted.end].rstrip(_LOOSE):
                    return True
                if (
                    own.document_id == other.document_id
                    and own.start + unit.start < other.start + quoted.end
                    and other.start + quoted.start < own.start + unit.end
                ):
                    return True
        return False


def _choose(evidence: Evidence, hits: Sequence[Hit], budget: int) -> list[Quote]:
    """Return the slices to quote, the best hit's first, each hit's in order; empty where nothing scores."""
    ranked = heapq.nlargest(
        CANDIDATES,
        ((value, -scored.hit, -at) for scored in evidence.hits for at, value in enumerate(scored.values) if value > 0),
    )
    if not ranked:
        return []
    chosen = _Selection(hits, {scored.hit: scored for scored in evidence.hits}, budget)
    for value, hit, at in ranked:
        if value < RATIO * ranked[0][0]:
            break
        if -at not in chosen.taken.get(-hit, ()):
            _take(chosen, -hit, -at)
    if not any(chosen.taken.values()):
        _, hit, at = ranked[0]
        unit = evidence.hits[-hit].clauses[-at]
        return [Quote(-hit, unit.start, min(unit.end, unit.start + budget - MARKER))]
    return [
        Quote(hit, start, end) for hit, clauses in chosen.taken.items() for start, end in chosen.spans(hit, clauses)
    ]


def _take(chosen: _Selection, hit: int, at: int) -> None:
    """Add the sentence of a clause; if it is too long, the clause and what fits around it, better side first."""
    scored = chosen.by_hit[hit]
    clauses, values = scored.clauses, scored.values
    sentence = clauses[at].sentence
    first, after = at, at + 1
    while (
        first > 0
        and clauses[first - 1].sentence == sentence
        and clauses[at].end - clauses[first - 1].start <= chosen.budget
    ):
        first -= 1
    while (
        after < len(clauses)
        and clauses[after].sentence == sentence
        and clauses[after].end - clauses[at].start <= chosen.budget
    ):
        after += 1
    if chosen.add(hit, range(first, after)):
        return
    if any(chosen.taken.values()) or not chosen.add(hit, [at]):  # only the first quote may be part of a sentence
        return
    low, high = at, at + 1
    while True:
        beside = [side for side in (low - 1, high) if first <= side < after]
        for side in sorted(beside, key=lambda side: values[side], reverse=True):
            if chosen.add(hit, [side]):
                low, high = min(low, side), max(high, side + 1)
                break
        else:
            return
