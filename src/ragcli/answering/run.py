"""The `ask` stage: results in, answers with checked citations out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from ragcli.answering.citations import citations
from ragcli.answering.protocols import Answerer
from ragcli.errors import UsageError
from ragcli.records import Answer, Result
from ragcli.report import Report

_BUILT_IN = "extractive"


def open_answerer(name: str | None = None) -> Answerer:
    """Return the answerer of a name; None is the built-in one.

    Raises:
        UsageError: there is none of that name.
    """
    if name is None or name == _BUILT_IN:
        from ragcli.answering.extractive import Extractive

        return Extractive()
    raise UsageError(
        f"there is no answerer {name!r}: language models are not there yet.",
        hint=f"Use {_BUILT_IN}, which quotes the sentences that answer.",
    )


def answer(results: Iterable[Result], answerer: Answerer, *, report: Report | None = None) -> Iterator[Answer]:
    """Yield one answer for every result, in order, as each is made.

    An answer has its result's id and keeps its unknown keys. ``seconds`` is the wall time of the answer alone.
    The report counts ``results_in``, ``answered`` and ``refused``; the last two add up to the first.

    Raises:
        RagcliError: the answerer fails, while the answers are read.
    """
    if not callable(getattr(answerer, "reply", None)):
        raise TypeError(f"an answerer has a method reply(question, hits); {type(answerer).__name__} has none")
    return _answers(results, answerer, report or Report("ask"))


def _answers(results: Iterable[Result], answerer: Answerer, report: Report) -> Iterator[Answer]:
    for result in results:
        report.count("results_in")
        began = time.perf_counter()
        reply = answerer.reply(result.query, result.hits)
        seconds = time.perf_counter() - began
        made = Answer(
            id=result.id,
            question=result.query,
            answer=reply.text,
            citations=citations(result.hits, reply.quotes),
            refused=reply.refused,
            model=answerer.name,
            usage=reply.usage,
            seconds=round(seconds, 6),
            extra={**result.extra, **reply.extra},
        )
        report.count("refused" if reply.refused else "answered")
        yield made
