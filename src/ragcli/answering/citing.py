"""What a language model's answer rests on: its markers read, each with the exact text that it stands for, and checked.

Nothing is believed. A marker must name a passage that the model was shown; numbers, dates, names and quotations of a
sentence must stand in the passages that it names (names may also come from the question); and where it names none, the
passage that says most of the sentence is found. What fails is a problem, and says what, where, and whether another
passage has it. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ragcli.answering.evidence import gather, read_question
from ragcli.answering.extractive import best_quote
from ragcli.answering.facts_cited import Source
from ragcli.answering.facts_cited import problems as fact_problems
from ragcli.answering.markers import normalise
from ragcli.answering.protocols import Quote
from ragcli.answering.refusing import THRESHOLD, is_comparable, support
from ragcli.answering.silence import is_courtesy
from ragcli.answering.statements import Sentence, sentences
from ragcli.records import Hit, Json
from ragcli.splitting.sentences import sentence_spans

MOST_QUOTED = 200  # characters of a passage that stand for one sentence
_MOST_NAMED = 300  # characters of a sentence that a problem names
_LEAST_STATEMENT = 4  # characters: a shorter sentence ("Yes.") says nothing that can be looked for


@dataclass(frozen=True, slots=True)
class Cited:
    """An answer that was checked: markers in one form, what they stand for, and what is wrong."""

    text: str
    quotes: list[Quote]
    problems: list[Json]


def check(question: str, answer: str, hits: Sequence[Hit], results: Sequence[str] = ()) -> Cited:
    """Return an answer with its citations and problems.

    A problem is ``{kind, sentence, …}``. Kinds: ``no_such_source`` (``n``: the marker names no passage),
    ``empty_source`` (``n``: that passage has no text, so that nothing can be quoted), ``number``, ``date``, ``name``
    and ``quotation`` (``text`` is not in the passages ``cited``; ``found_in`` are those that have it; ``in_question``
    where only the question says that number or date), ``uncited`` (the answer names no source at all).

    Args:
        question: what was asked; its names may be said again, its numbers and dates are no sources.
        answer: as the model wrote it.
        hits: what the model was shown, in the order of their numbers from 1.
        results: what functions returned to the model; facts may come from there, too.
    """
    text = normalise(answer, hits)
    quotes: dict[tuple[int, int, int], Quote] = {}
    problems: list[Json] = []
    sources = [_source(hit) for hit in hits]
    marked = False
    said = sentences(text, hits)
    for sentence in said:
        valid = [n for n in sentence.marks if 1 <= n <= len(hits)]
        marked = marked or bool(valid)
        problems += [
            {"kind": "no_such_source", "n": n, "sentence": sentence.statement} for n in sentence.marks if n not in valid
        ]
        for n in valid:
            if hits[n - 1].text.strip():
                _add(quotes, Quote(n - 1, *_span(question, sentence.statement, hits[n - 1]), n=n))
            else:
                problems.append({"kind": "empty_source", "n": n, "sentence": sentence.statement})
        if not sentence.marks:
            attributed = _attribute(sentence.statement, hits)
            if attributed is not None:
                _add(quotes, attributed)
        problems += _facts(question, results, sentence, valid, sources, text)
    if not marked and not results and said:
        problems.append({"kind": "uncited", "sentence": ""})
    return Cited(text, list(quotes.values()), [{**one, "sentence": _named(one["sentence"])} for one in problems])


def verify(answer: str, hits: Sequence[Hit]) -> list[Json]:
    """Return the sentences of an answer that no hit supports: ``{kind: "unsupported", sentence, start, end, support}``.

    Words are measured, nothing else: a sentence that says the contrary in the same words passes. What only frames the
    answer (headings, lines that end in a colon, courtesies) is not looked at.

    The measure is that of the retrieval's refusal, `ragcli.answering.refusing.support`, and so is the threshold: on
    CMRC 2018 a question's own words, read as a statement, are supported by the hits for .978, and by the hits without
    the passage that they are about for .23.
    """
    problems: list[Json] = []
    for sentence in sentences(answer, hits):
        statement = sentence.plain
        if len(statement) < _LEAST_STATEMENT or sentence.is_frame or is_courtesy(statement):
            continue
        if not is_comparable(statement, hits):
            continue
        held = support(gather(read_question(statement), hits))
        if held < THRESHOLD:
            problems.append(
                {
                    "kind": "unsupported",
                    "sentence": sentence.statement,
                    "start": sentence.start,
                    "end": sentence.end,
                    "support": round(held, 4),
                }
            )
    return problems


def _named(sentence: str) -> str:
    """Return a sentence as a problem names it: each of its facts does, and a list of a thousand is one sentence."""
    return sentence if len(sentence) <= _MOST_NAMED else sentence[:_MOST_NAMED] + "…"


def _source(hit: Hit) -> Source:
    """Return what a passage says, the pages that its label shows included, and its path."""
    pages = "\n".join(f"page {page}" for page in hit.pages)
    return "\n".join(filter(None, (hit.title or "", *hit.headings, hit.header, hit.text, pages))), hit.source


def _add(quotes: dict[tuple[int, int, int], Quote], quote: Quote) -> None:
    quotes.setdefault((quote.hit, quote.start, quote.end), quote)


def _span(question: str, statement: str, hit: Hit) -> tuple[int, int]:
    """Return the slice of a cited passage that says the statement; else that which answers; else its beginning."""
    found = best_quote(statement, hit, MOST_QUOTED) or best_quote(question, hit, MOST_QUOTED)
    if found is not None:
        return found
    start, end = next(iter(sentence_spans(hit.text)), (0, len(hit.text)))
    return start, min(end, start + MOST_QUOTED)


def _attribute(statement: str, hits: Sequence[Hit]) -> Quote | None:
    """Return what a sentence without a marker rests on, where a passage says it."""
    if len(statement) < _LEAST_STATEMENT or not hits:
        return None
    evidence = gather(read_question(statement), hits)
    if support(evidence) < THRESHOLD:
        return None
    best = max(evidence.hits, key=lambda scored: max(scored.values, default=0.0))
    found = best_quote(statement, hits[best.hit], MOST_QUOTED)
    return None if found is None else Quote(best.hit, *found, n=best.hit + 1, extra={"attributed": True})


def _facts(
    question: str,
    results: Sequence[str],
    sentence: Sentence,
    cited: Sequence[int],
    sources: Sequence[Source],
    text: str,
) -> list[Json]:
    """Return the facts of a sentence that what it cites does not have; without a marker, that nothing has."""
    written, following = text[sentence.start : sentence.end], text[sentence.end :]
    return fact_problems(question, results, sentence.statement, written, cited, sources, following)
